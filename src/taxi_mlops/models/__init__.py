"""Hotspot models: what they hold, how they are judged, how versions correspond, and MLflow's registry of them.

Making one is in `pipeline.train`, answering with one in `serving`. A/B tests of two versions are stored here, too.
Entry points: `hotspot_model.HotspotModel`, `judging.unseen_of`, `lineage.trace`, `registry.open_registry`,
`ab_store.AbStore`.
"""
