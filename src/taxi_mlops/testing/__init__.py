"""Contract suites and oracles that others can run too."""
