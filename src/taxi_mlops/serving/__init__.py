"""The service of hotspot models: `taxi serve`.

It answers requests with a version of the registry, keeps to the champion, and takes part in A/B tests.
Entry points: `run.serve`, `app.create_app`, `watcher.ModelWatcher`, `ab_traffic.AbTraffic`.
"""
