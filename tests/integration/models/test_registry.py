"""Promotion, its gates and the way back, in the embedded registry."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("mlflow", reason="MLflow is in the extra tracking")

from taxi_mlops.audit.trail import AuditTrail
from taxi_mlops.cli.main import app
from taxi_mlops.errors import ServiceError, UsageError
from taxi_mlops.evaluation.equivalence import Verdict
from taxi_mlops.models import clean_process
from taxi_mlops.models.mlflow_model import example_points, load_mlflow_model
from taxi_mlops.models.registry import PromotionConflictError, Registry
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.promote import examine, promote, refusal
from taxi_mlops.pipeline.train import write_training
from taxi_mlops.recording.mlflow_recorder import MlflowAccess
from taxi_mlops.results.model_card import TrainingFolder
from taxi_mlops.service_urls import ServiceUrl
from taxi_mlops.training import Promotion


@pytest.fixture
def versions(register_copy):
    """Registers the training under another name; the numbers of versions are those of this name alone."""
    return register_copy


def asked(model: str, **limits) -> Promotion:
    return Promotion().with_parameters({"model": model, **limits})


def as_it_is(path):
    """Answer at once, in place of a clean process."""
    model = load_mlflow_model(path)
    return model.locate(*example_points(model)).hotspot.tolist()


def test_the_first_version_becomes_champion_and_its_gates_are_stored(registry, versions):
    versions("alone")
    found = promote(asked("alone"), registry, Observer())  # with a clean process, which takes seconds
    assert (found.failed, found.against, found.difference, found.changes) == ((), None, None, None)
    champion = registry.champion("alone")
    assert champion.aliases == ("challenger", "champion")
    assert {name: gate["passed"] for name, gate in champion.gates.items()} == {
        "equal": True, "unseen": True, "vanished": True, "clean_process": True,
    }  # fmt: skip
    with pytest.raises(UsageError, match="version 1 of alone is champion already"):
        promote(asked("alone"), registry, Observer(), as_it_is)
    with pytest.raises(UsageError, match="no earlier champion"):
        registry.roll_back("alone")


def test_a_refused_promotion_says_which_gates_and_by_how_much(registry, versions, train, first):
    versions("strict")
    promote(asked("strict"), registry, Observer(), as_it_is)
    trained, folder = train("sparse", eps=60, min_samples=12)
    unproven = trained.card.proof.model_copy(update={"verdict": Verdict.DIFFERENT, "points_differing": 7})
    card = trained.card.model_copy(update={"name": "strict", "proof": unproven})
    path = TrainingFolder(folder.path.with_name("strict-2"))
    write_training(replace(trained, card=card), path, Observer())
    registry.register(path, card, "")
    found = promote(asked("strict", max_vanished=0.01, margin=0.001), registry, Observer(), lambda _: [99])
    assert [gate.name for gate in found.failed] == ["equal", "unseen", "vanished", "clean_process"]
    said = str(refusal(found))
    assert said.startswith("version 2 of strict is not promoted: gate equal: different to sklearn on")
    assert "(7 differ)" in said
    assert "below the limit" in said
    assert "too many" in said
    assert "it answers hotspots [99], not [" in said
    assert found.difference.high < 0
    assert registry.champion("strict").version == "1"
    assert registry.find("strict", "2").gates["vanished"]["value"] == found.gates[2].value > 0.01


def test_the_same_hotspots_pass_and_can_be_rolled_back(registry, versions):
    for _ in range(2):
        versions("twice")
    promote(asked("twice@1"), registry, Observer(), as_it_is)
    found = promote(asked("twice"), registry, Observer(), as_it_is)
    assert (found.failed, found.difference.difference, found.changes.vanished) == ((), 0.0, ())
    assert found.changes.kept == found.changes.hotspots_before
    assert registry.champion("twice").version == "2"
    now, earlier = registry.roll_back("twice")
    assert (now.version, earlier.version, registry.champion("twice").version) == ("2", "1", "1")
    with pytest.raises(UsageError, match="no earlier champion"):
        registry.roll_back("twice")


def test_of_two_promotions_at_once_one_wins_and_the_other_is_told(registry, versions):
    made = [versions("race") for _ in range(4)]

    def crown(version):
        try:
            registry.crown(version, None)
        except PromotionConflictError as error:
            return str(error)
        return "won"

    with ThreadPoolExecutor(4) as threads:
        said = sorted(threads.map(crown, made), key="won".__eq__)
    assert said[-1] == "won"
    assert all("in the meantime" in one or "another process" in one for one in said[:-1])
    assert registry.champion("race") is not None


def test_a_lock_of_a_killed_process_ends(registry, versions, monkeypatch):
    version = versions("killed")
    with registry._client() as client:
        client.create_registered_model("killed.promotion-lock")
    with pytest.raises(PromotionConflictError, match="promoted by another process"):
        registry.crown(version, None)
    monkeypatch.setattr("taxi_mlops.models.registry._STALE_LOCK_SECONDS", -1.0)
    registry.crown(version, None)
    assert registry.champion("killed").version == "1"
    assert "killed.promotion-lock" not in registry.names()


def test_a_promotion_that_was_cut_off_leaves_the_champion(registry, versions, monkeypatch):
    one, two, three = (versions("cut") for _ in range(3))
    registry.crown(one, None)
    registry.crown(two, registry.champion("cut"))
    with registry._client() as client:  # power is cut between the list of champions and the alias
        client.set_registered_model_tag("cut", "taxi.champions", '["1", "2", "3"]')
    assert registry.champion("cut").version == "2"
    registry.crown(three, registry.champion("cut"))
    assert [registry.roll_back("cut")[1].version for _ in range(2)] == ["2", "1"]


def test_unknown_models_and_versions_are_named(registry, versions):
    versions("known")
    with pytest.raises(UsageError, match=r"there is no model 'unknown'; there are: .*known"):
        examine(asked("unknown"), registry, Observer())
    with pytest.raises(UsageError, match="no version or alias '7'; there are: 1@challenger"):
        examine(asked("known@7"), registry, Observer())
    with pytest.raises(UsageError, match="model"):
        asked("no name!")


def test_the_commands_show_what_is_registered(registry, versions, settings, monkeypatch):
    monkeypatch.setenv("TAXI_RUNS_DIR", str(settings.runs_dir))
    monkeypatch.setenv("COLUMNS", "200")
    run = CliRunner()
    for _ in range(2):
        promote(asked(f"shown@{versions('shown').version}"), registry, Observer(), as_it_is)
    assert [line.split()[:4] for line in run.invoke(app, ["models", "list"]).stdout.split("\n") if "shown" in line] == [
        ["shown", "2", "2", "2"]
    ]
    shown = run.invoke(app, ["models", "show", "shown"]).stdout
    assert shown.startswith("shown version 2 challenger, champion\n")
    assert "gate unseen: passed: score +0.0000 [+0.0000, +0.0000] against version 1" in shown
    card = json.loads(run.invoke(app, ["models", "show", "shown@1", "--json"]).stdout)
    assert (card["name"], card["schema_version"]) == ("shown", 1)
    said = run.invoke(app, ["models", "rollback", "shown"]).stdout
    assert said == "version 1 of shown is champion again, instead of version 2\n"


def test_a_registry_that_is_away_is_a_service_error_without_its_password(tmp_path):
    trail = AuditTrail(tmp_path / "audit", None)
    away = Registry(ServiceUrl("http://lab:hunter2@127.0.0.1:1"), tmp_path, MlflowAccess(timeout_seconds=1), trail)
    with pytest.raises(ServiceError) as raised:
        away.versions("city")
    assert "hunter2" not in str(raised.value)


def test_what_does_not_load_in_a_clean_process_is_said(tmp_path):
    with pytest.raises(clean_process.CleanProcessError, match="exit code 1"):
        clean_process.answer(tmp_path)
    with pytest.raises(clean_process.CleanProcessError, match=r"within 0\.01 s"):
        clean_process.answer(tmp_path, timeout=0.01)


def test_two_versions_are_compared_by_their_own_ids(registry, versions, first):
    versions("ids")
    versions("ids", next_id=1000)
    found = examine(asked("ids@2", against="1"), registry, Observer(), as_it_is)
    assert (found.against, found.changes.born) == ("1", ())
    assert np.isclose(found.difference.other.score, first[0].card.unseen.score)
