"""Hotspot models: what they hold, how they are judged, how versions correspond, and MLflow's registry of them."""
