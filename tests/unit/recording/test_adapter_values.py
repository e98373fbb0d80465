"""The numbers of an adapter, flattened to dotted names for recorders."""

from __future__ import annotations

from pathlib import Path

from taxi_mlops.recording.adapter_values import values_of
from taxi_mlops.testing.sample_runs import EQUAL, LATE, MISSING, REFERENCE, make_run


def test_every_number_has_its_dotted_name(tmp_path: Path) -> None:
    results = {result.name: result for result in make_run(tmp_path / "run").comparison.adapters}
    values = values_of(results[EQUAL])
    assert values["fit_seconds_median"] == 0.5 * 1.02
    assert (values["fit_seconds_ci.low"], values["fit_seconds_ci.high"]) == (0.5 * 1.01, 0.5 * 1.03)
    assert values["peak_memory_bytes"] == 5e7
    assert values["speedup.estimate"] == 4.0
    assert values["equivalence.adjusted_rand_index"] == 1.0
    assert values["trials.ok"] == 4.0
    assert not {"fit_seconds", "exact", "name"} & values.keys()


def test_what_is_undefined_is_left_out(tmp_path: Path) -> None:
    results = {result.name: result for result in make_run(tmp_path / "run").comparison.adapters}
    assert "speedup.estimate" not in values_of(results[REFERENCE])
    assert values_of(results[LATE]) == {"trials.timeout": 1.0}
    assert values_of(results[MISSING]) == {}
