"""The Python API: load trips, compare implementations on them, cluster them, train and tune hotspot models.

`import taxi_mlops` offers its names. It reads what users have in memory, and calls `pipeline` as the command line does.
Entry points: `trips.load`, `comparison.compare`, `clusters.cluster`, `models.train`, `tuning.tune`.
"""
