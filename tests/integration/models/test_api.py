"""`taxi_mlops.train` from Python."""

from __future__ import annotations

import pytest

import taxi_mlops as taxi


def test_a_model_is_trained_registered_and_asked(registry, settings, monkeypatch):
    monkeypatch.setenv("TAXI_RUNS_DIR", str(settings.runs_dir))
    monkeypatch.setenv("TAXI_POINTS_CACHE", "false")
    found = taxi.train("synthetic:rows=3000,seed=2", eps=150, min_samples=4, adapter="grid", name="from-python")
    assert (found.version, found.card.parameters.eps_metres) == ("1", 150.0)
    assert (found.folder / "model.json").is_file()
    centre = found._model.centre[0]
    core = found._model.latitude[0], found._model.longitude[0]
    located = found.locate([core[0], 0.0], [core[1], 0.0])
    assert located.hotspot.tolist() == [1, -1]
    assert located.metres[0] == 0.0
    assert found.locate(*centre).hotspot.shape == (1,)
    assert repr(found).startswith("from-python version 1\nhotspots ")
    assert "Unseen trips" in found._repr_html_()
    with pytest.raises(ValueError, match="latitude is from"):
        found.locate(100.0, 0.0)


def test_mistakes_name_the_argument(registry, settings, monkeypatch):
    monkeypatch.setenv("TAXI_RUNS_DIR", str(settings.runs_dir))
    with pytest.raises(ValueError, match="give its path, not list"):
        taxi.train([[1.0, 2.0]])
    with pytest.raises(ValueError, match="holdout"):
        taxi.train(holdout=2.0)
