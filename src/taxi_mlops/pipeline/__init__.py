"""The steps of a comparison, a sweep, a clustering and a prediction, and the functions that run them in order."""
