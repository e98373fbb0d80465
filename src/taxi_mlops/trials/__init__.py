"""Run one adapter once, in a process of its own: isolation, limits, measurement.

Which trials are run, and what their answers mean, is decided in `pipeline` and `evaluation`.
"""
