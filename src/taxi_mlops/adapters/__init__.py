"""DBSCAN implementations behind one interface, one module each, found by entry points.

`registry` lists and loads them; `trials` runs them in processes of their own.
"""
