"""From a version of trips to the runs and models that came from it, and back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import SecretStr

from taxi_mlops.data.synthetic import write_parquet
from taxi_mlops.errors import DataError, UsageError
from taxi_mlops.pipeline.lineage import lineage_of, versions_in_use
from taxi_mlops.testing.sample_runs import make_run
from taxi_mlops.versions import commit, vacuum

pytest.importorskip("deltalake", reason="deltalake is in the extra delta")


@pytest.fixture
def table(settings, tmp_path):
    """A table of three versions, of which the second is the training's and the third a run's."""
    location = str(tmp_path / "trips")
    for seed in range(3):
        file = tmp_path / f"{seed}.parquet"
        write_parquet(file, rows=3000, seed=seed)
        commit([str(file)], location, settings, replace=True, message=f"delivery {seed}")
    return location


def test_runs_and_models_of_a_version(table, settings, registry, train):
    trained, folder = train("of-a-version", data=f"delta:{table}@1", eps=150, min_samples=4)
    registry.register(folder, trained.card, "of a version")
    assert trained.card.dataset.uri == f"delta:{table}@1"
    make_run(settings.runs_dir / "of-version-2", "of-version-2", uri=f"delta:{table}@2")
    found = lineage_of("of-a-version@challenger", settings)
    assert found.uri == f"delta:{table}@1"
    assert [one.message for one in found.commits] == ["delivery 1", "delivery 0"]
    assert [(one.name, one.aliases) for one in found.models] == [("of-a-version", ("challenger",))]
    assert (found.runs, found.no_models) == ((), "")
    for reference in ("of-version-2", str(settings.runs_dir / "of-version-2"), f"delta:{table}", f"delta:{table}/@2"):
        of_run = lineage_of(reference, settings)
        assert [run.folder.name for run in of_run.runs] == ["of-version-2"]
        assert of_run.models == ()
    assert versions_in_use(table, settings) == {1, 2}
    assert len(vacuum(table, settings, timedelta(0), versions_in_use(table, settings)).files) == 1
    assert lineage_of(f"delta:{table}@1", settings).models
    with pytest.raises(DataError, match="a vacuum removed files of version 0"):
        lineage_of(f"delta:{table}@0", settings)


def test_what_is_neither(settings):
    with pytest.raises(UsageError, match=r"nothing: is no version .*, no run in .* and no model"):
        lineage_of("nothing", settings)


def test_without_a_registry_the_rest_is_shown(table, settings):
    without = settings.model_copy(update={"mlflow_uri": SecretStr("off")})
    found = lineage_of(f"delta:{table}@0", without)
    assert [one.number for one in found.commits] == [0]
    assert found.models == ()
    assert "turned off by the settings" in found.no_models
    assert versions_in_use(table, without) == set()
