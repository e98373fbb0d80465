"""One adapter run once, in a process of its own: limits, isolation, measurement."""
