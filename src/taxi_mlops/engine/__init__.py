"""Exact geodesic neighbourhoods on arrays: kernels on numpy and numba that know nothing of the platform."""
