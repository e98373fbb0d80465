"""Compare DBSCAN implementations on your own trips."""

__version__ = "0.1.0"
