"""The Python API: load trips, compare implementations on them, cluster them. `import taxi_mlops` offers its names."""
