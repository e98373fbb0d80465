"""Run a comparison, a sweep, a clustering or a prediction: the functions that call the steps in order.

The command line and the Prefect flows call them. What each step computes is in the packages below.
Entry points: `compare.compare`, `sweep.sweep`, `cluster.cluster`, `predict.predict`, `record.record_again`.
"""
