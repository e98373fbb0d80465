"""What the deployments of training and promotion do, without a server of Prefect."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

pytest.importorskip("mlflow", reason="MLflow is in the extra tracking")
pytest.importorskip("prefect", reason="Prefect is in the extra flow")

from taxi_mlops.errors import UsageError
from taxi_mlops.evaluation.equivalence import Verdict
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.train import train_into
from taxi_mlops.results.model_card import TrainingFolder
from taxi_mlops.training import Train

TRIPS = "synthetic:rows=1500,seed=2"


@pytest.fixture
def flows(settings, registry, monkeypatch):
    """The flows as functions, on this registry; `shown` collects their artifacts."""
    from taxi_mlops.flows import deployed_models

    shown = []
    monkeypatch.setattr(deployed_models, "flow_run", SimpleNamespace(parameters={}))
    monkeypatch.setattr(deployed_models, "begin_run", lambda: None)
    monkeypatch.setattr(deployed_models, "RunLogObserver", Observer)
    monkeypatch.setattr(deployed_models, "settings_of", lambda _: settings)
    monkeypatch.setattr(deployed_models, "load_settings", lambda: settings)
    monkeypatch.setattr(deployed_models, "show_model", lambda _card, version, _folder: shown.append(version.version))
    monkeypatch.setattr(deployed_models, "show_gates", lambda found: shown.append(len(found.gates)))
    return SimpleNamespace(train=deployed_models.training.fn, promote=deployed_models.promotion.fn, shown=shown)


def test_a_month_becomes_a_challenger_and_the_better_one_champion(flows, registry, tmp_path):
    words = {"data": TRIPS, "name": "monthly", "adapter": "grid", "eps": 150, "min_samples": 4}
    made = flows.train(**words, output=str(tmp_path / "one"), promote=True)
    assert made["verdict"].endswith("version 1 of monthly is champion")
    assert (made["version"], registry.champion("monthly").version, flows.shown) == ("1", "1", ["1", 4])
    again = flows.train(**words, output=str(tmp_path / "one"), promote=True)  # as after a crash
    assert again["verdict"].endswith("version 1 of monthly is champion already")
    assert [one.version for one in registry.versions("monthly")] == ["1"]
    assert flows.train(**words, output=str(tmp_path / "two"))["version"] == "2"
    assert registry.champion("monthly").version == "1"  # nobody asked for more
    assert flows.promote(model="monthly") == {"verdict": "version 2 of monthly is champion"}
    assert flows.promote(model="monthly@2") == {"verdict": "version 2 of monthly is champion already"}


def test_what_does_not_pass_the_gates_leaves_the_champion(flows, registry, register_copy, first):
    register_copy("gated", proof=first[0].card.proof.model_copy(update={"verdict": Verdict.DIFFERENT}))
    said = flows.promote(model="gated")["verdict"]
    assert said.startswith("version 1 of gated is not promoted: gate equal: ")
    assert registry.champion("gated") is None
    with pytest.raises(UsageError, match="there is no model 'nobody'"):
        flows.promote(model="nobody")


def test_a_model_that_was_written_and_not_registered_is_registered(registry, settings, tmp_path, monkeypatch):
    document = Train().with_parameters(
        {"data": TRIPS, "name": "interrupted", "adapter": "grid", "eps": 150, "min_samples": 4}
    )
    folder = TrainingFolder(tmp_path / "interrupted")

    class PowerCut(BaseException):
        pass

    def register(*_):
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(registry, "register", register)
        with pytest.raises(PowerCut):
            train_into(document, folder, settings, registry, Observer())
    assert registry.versions("interrupted") == ()
    card, version = train_into(document, folder, settings, registry, Observer())
    assert (version.version, card.created_at.isoformat()) == ("1", version.values["made_at"])
    assert card.n_hotspots == json.loads(folder.result.read_text(encoding="utf-8"))["n_hotspots"]
