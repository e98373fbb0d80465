"""Quality, pairwise tests and the choice of eps, from real runs."""

from __future__ import annotations

import pytest

from taxi_mlops.errors import DataError
from taxi_mlops.results.journal import Journal
from taxi_mlops.results.run_folder import RunFolder
from taxi_mlops.specification import Specification


def test_equal_clusterings_share_their_quality_and_others_have_their_own(specify, run, tmp_path):
    comparison = run(specify("light-exact", "light-slow", "light-wrong", "light-raising"), tmp_path / "run")
    quality = {result.name: result.quality for result in comparison.adapters}
    assert quality["light-exact"].measured_on == "light-exact"
    assert quality["light-slow"] == quality["light-exact"]
    assert quality["light-wrong"].measured_on == "light-wrong"
    assert quality["light-wrong"].noise_ratio != quality["light-exact"].noise_ratio
    assert quality["light-exact"].silhouette.value > 0.5
    assert quality["light-exact"].stability.value > 0.5
    assert "exact DBSCAN" in quality["light-wrong"].stability.reason
    assert quality["light-raising"] is None
    raising = next(result for result in comparison.adapters if result.name == "light-raising")
    assert raising.undefined["quality"] == "error: ArithmeticError: one too many"

    exact = next(result for result in comparison.adapters if result.name == "light-exact")
    assert exact.quality.noise_ratio == pytest.approx(exact.noise_ratio)
    assert exact.quality.sizes.clusters == exact.n_clusters
    assert exact.cpu_seconds_median >= max(exact.cpu_user_seconds_median, exact.cpu_system_seconds_median)
    assert exact.parallel_efficiency > 0
    assert exact.memory_bytes_per_point == exact.peak_memory_bytes / 300
    assert [(pair.first, pair.second) for pair in comparison.pairwise] in (
        [("light-exact", "light-slow")],
        [("light-slow", "light-exact")],
    )


def with_eps_auto(specification, **dataset):
    document = specification.model_dump()
    document["parameters"]["eps_metres"] = "auto"
    document["dataset"].update(dataset)
    return Specification.model_validate(document)


def test_an_eps_of_auto_becomes_a_number_and_is_said(specify, run, tmp_path):
    folder = RunFolder(tmp_path / "run")
    comparison = run(with_eps_auto(specify("light-exact")), folder.path)
    choice = comparison.eps_choice
    assert choice is not None
    assert comparison.parameters.eps_metres == choice.eps_metres
    assert 20.0 < choice.eps_metres < 200.0
    assert str(choice) in comparison.warnings
    assert Specification.from_file(folder.specification).parameters.eps_metres == choice.eps_metres
    assert Journal.read(folder.journal).header.eps_choice == choice


def test_an_eps_that_cannot_be_chosen_leaves_no_run_behind(specify, run, tmp_path):
    specification = with_eps_auto(specify("light-exact"), sample=3)
    with pytest.raises(DataError, match="there are 3 points and min_samples is 5"):
        run(specification, tmp_path / "run")
    assert not (tmp_path / "run").exists()
