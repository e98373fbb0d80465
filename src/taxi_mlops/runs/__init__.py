"""Read runs: list them, compare two, analyse several together, compute trends.

They are read from their folders and from the experiment store; nothing is written here.
Entry points: `stored_runs.known_runs`, `run_pair.compare_runs`, `analysis.analyze`, `trends.read_trends`.
"""
