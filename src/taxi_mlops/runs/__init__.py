"""Read runs: list them, take several together, compare two, and follow their trends."""
