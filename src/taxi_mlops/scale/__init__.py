"""Clustering in tiles: points that do not fit into memory, with the labels that `engine` gives them in memory.

The way of the points: `pieces` are surveyed (`sketch`), the extent is cut into tiles (`plan`), rows go to the tiles
(`scatter`, files in `spill`), each `tile` is clustered by the engine, the tiles' clusters are joined (`join`), and the
labels go back to the rows (`labels`). `stages` are these steps as tasks, `run` their order, `executors` where they run.
"""
