"""The `taxi` command: one module for each noun, without logic of its own.

Commands read options and print results; `pipeline`, `flows`, `runs` and `stack` do the work. Entry point: `main.main`.
"""
