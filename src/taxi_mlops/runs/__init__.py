"""Read runs: list them, compare two, analyse several together, compute trends.

They are read from their folders and from the experiment store; nothing is written here.
"""
