"""Run a comparison, a sweep, a clustering or a prediction: the functions that call the steps in order.

The command line and the Prefect flows call these functions. What each step computes is in the packages below.
"""
