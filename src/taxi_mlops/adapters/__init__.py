"""DBSCAN implementations behind one interface, one module each, found by entry points.

`registry` lists and loads them; `trials` runs them in processes of their own.
"""

from taxi_mlops.adapters.base import Adapter, Closes, ImportsAhead, RunsByDefault
from taxi_mlops.adapters.registry import AdapterListing, list_adapters, load_adapter

__all__ = ["Adapter", "AdapterListing", "Closes", "ImportsAhead", "RunsByDefault", "list_adapters", "load_adapter"]
