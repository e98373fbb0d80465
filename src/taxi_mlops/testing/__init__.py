"""Test suites for adapters and recorders, in this repository and elsewhere, and a brute-force oracle.

Requires pytest. `sample_runs` and `sample_store` write small runs to test with. Entry points:
`conformance.AdapterConformance`, `recorders.RecorderContract`, `oracle.brute_force_dbscan`.
"""
