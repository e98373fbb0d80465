"""Evaluate the outcomes of trials: equivalence, quality, performance, statistics, ranking.

All functions are pure; `results.assembly` calls them. Import them from their modules: some compile code with numba.
Entry points: `equivalence.check_equivalence`, `performance.PerformanceMetrics`, `ranking.rank`,
`quality.measure.measure_quality`, `workloads.analyze_workloads`.
"""
