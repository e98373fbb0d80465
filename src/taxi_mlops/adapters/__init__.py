"""DBSCAN implementations behind one interface, one file each, found by entry points."""
