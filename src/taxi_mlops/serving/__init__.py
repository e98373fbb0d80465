"""The service of hotspot models: `taxi serve`."""
