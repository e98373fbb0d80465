"""Programs in other languages: the protocol, what a comparison makes of a broken one, and the TOML file."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
import tomli_w

from taxi_mlops.adapters import programs
from taxi_mlops.adapters.program import ProgramAdapter
from taxi_mlops.adapters.program_process import ProgramError
from taxi_mlops.adapters.programs import (
    install_program,
    load_program,
    open_adapter,
    program_listings,
    program_paths,
    shipped_listings,
    shipped_names,
)
from taxi_mlops.adapters.sklearn import SklearnAdapter
from taxi_mlops.domain import NOISE, Parameters, Resources, Workload
from taxi_mlops.errors import AdapterUnavailableError, TaxiError, UsageError
from taxi_mlops.pipeline.resolve import resolve
from taxi_mlops.specification import Specification
from taxi_mlops.testing.cases import around
from taxi_mlops.testing.conformance import AdapterConformance
from taxi_mlops.testing.oracle import brute_force_dbscan
from taxi_mlops.testing.program_check import Counterexample, Outcome, check_adapter, shrink
from taxi_mlops.trials.clusterings import InvalidClusteringError, checked_clustering

FAKE = Path(__file__).parent / "fake_program.py"
POINTS = around(np.arange(6) * 40.0, np.zeros(6))
PARAMETERS = Parameters(50.0, 3)
FILE = {"name": "fake", "summary": "a fake", "install": "nothing to install", "exact": True}


def write(folder: Path, way: str = "right", **values: object) -> Path:
    path = folder / f"{way}.toml"
    path.write_text(tomli_w.dumps(FILE | {"command": [sys.executable, str(FAKE), way]} | values))
    return path


@pytest.fixture
def program(tmp_path: Path):
    """Return adapters of the fake that fail in some way, which are closed afterwards."""
    opened: list[ProgramAdapter] = []

    def make(way: str, **values: object) -> ProgramAdapter:
        opened.append(load_program(write(tmp_path, way, **values)))
        return opened[-1]

    yield make
    for adapter in opened:
        adapter.close()


def running_programs() -> list[psutil.Process]:
    """Those of the fake, among the processes that other tests have left to this one."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            found += [child] if "hang" in child.cmdline() else []
    return found


def cluster(adapter: ProgramAdapter, seconds: float = 30.0):
    return adapter.fit(adapter.prepare(POINTS, PARAMETERS, Resources(1, timeout_seconds=seconds)))


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> ProgramAdapter:
    return load_program(write(tmp_path_factory.mktemp("fake")))


class TestFakeProgram(AdapterConformance):
    """The suite of all adapters; its points are too many for plain Python where there are more than a hundred."""

    @pytest.fixture(autouse=True)
    def _adapter(self, fake: ProgramAdapter, request: pytest.FixtureRequest) -> None:
        type(self).adapter = fake
        case = getattr(request.node, "callspec", None)
        if case is not None and "case" in case.params and len(case.params["case"].workload.points) > 100:
            pytest.skip("many points for plain Python")


def test_the_version_and_what_the_program_says_of_itself_are_kept(program) -> None:
    adapter = program("slow")
    assert adapter.info.version == "1.5"
    found = cluster(adapter)
    assert found.labels.tolist() == [0] * 6
    assert found.core_mask is not None
    assert found.core_mask.tolist() == [False, True, True, True, True, False]
    assert found.about == {"points": 6}


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ("crash", "exited with code 3 without an answer to 'fit'"),
        ("garbage", "'clusters: 3', which is not JSON"),
        ("huge", "a line of more than 65,536 bytes"),
        ("error", "reported an error: no memory of my own$"),
        ("chatty", "'done soon', which is not JSON"),
        ("missing", "labels.i32 cannot be read: No such file"),
        ("pipe", "labels.i32 is not a file"),
        ("odd", "25 bytes, no multiple of 4"),
        ("flags", "core flag 2 is neither 0 nor 1"),
    ],
)
def test_a_broken_answer_is_an_error_that_says_what_came(program, way: str, message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        cluster(program(way))


@pytest.mark.parametrize(
    ("way", "message"),
    [("short", r"shape \(5,\)"), ("long", r"shape \(7,\)"), ("range", "label 7 for 6 points")],
)
def test_wrong_labels_are_an_invalid_clustering(program, way: str, message: str) -> None:
    with pytest.raises(InvalidClusteringError, match=message):
        checked_clustering(cluster(program(way)), len(POINTS))


def test_a_program_killed_by_the_kernel_is_out_of_memory(program) -> None:
    with pytest.raises(MemoryError, match="killed by SIGKILL during 'fit'"):
        cluster(program("killed"))


def test_a_program_that_does_not_answer_is_ended(program) -> None:
    adapter, began = program("hang"), time.monotonic()
    assert adapter.info.version
    programs = running_programs()
    assert programs
    with pytest.raises(ProgramError, match=r"did not answer '(prepare|fit)' within 2 s"):
        cluster(adapter, seconds=2.0)
    assert not [program for program in programs if program.is_running()]
    assert time.monotonic() - began < 60


def test_a_program_that_never_says_hello_is_a_reason_why_it_is_missing(tmp_path: Path) -> None:
    path = write(tmp_path, "mute", start_seconds=0.5)
    listing = program_listings({"fake": path})["fake"]
    assert not listing.available
    assert listing.reason == "did not answer 'hello' within 0.5 s"


def test_another_protocol_is_refused(program) -> None:
    with pytest.raises(ProgramError, match="protocol: Input should be 1"):
        _ = program("newer").info


def test_a_missing_program_names_the_command_that_installs_it(tmp_path: Path) -> None:
    path = write(tmp_path, command=["no-such-program", "x"], install="apt-get install no-such-program")
    listing = program_listings({"fake": path})["fake"]
    assert (listing.reason, listing.install) == (
        "program no-such-program is not installed",
        "apt-get install no-such-program",
    )
    with pytest.raises(ImportError, match="install it with: apt-get"):
        _ = load_program(path).info


def test_closing_ends_the_program_and_removes_its_files(
    program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(tmp_path))
    adapter = program("right")
    cluster(adapter)
    assert [path for path in tmp_path.iterdir() if path.is_dir()]
    adapter.close()
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
    assert cluster(adapter).labels.tolist() == [0] * 6, "it is started again when it is needed"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"command": "python x.py"}, "command"),
        ({"command": []}, "command"),
        ({"exact": "yes"}, "exact"),
        ({"exact": False}, "says in note how it differs"),
        ({"name": "../x"}, "name"),
        ({"shell": True}, "shell"),
    ],
)
def test_a_wrong_file_is_refused_by_key(tmp_path: Path, values: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        load_program(write(tmp_path, **values))
    assert "\n" not in str(caught.value)


def test_names_are_unique_among_all_adapters(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is another adapter 'sklearn'"):
        program_paths([str(write(tmp_path, name="sklearn"))], tmp_path)
    path = str(write(tmp_path))
    with pytest.raises(UsageError, match="another adapter 'fake'"):
        program_paths([path, path], tmp_path)
    with pytest.raises(UsageError, match=r"neither a file that ends in \.toml nor a program"):
        program_paths(["no-such"], tmp_path)
    with pytest.raises(UsageError, match="install it with: taxi adapters install turf"):
        program_paths(["turf"], tmp_path)


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache, and a package that comes with the fake alone, whose build makes a file."""
    cache, folder = tmp_path / "cache", tmp_path / "shipped" / "fake"
    folder.mkdir(parents=True)
    build = [[sys.executable, "-c", "open('built', 'w').close()"]]
    values = FILE | {"command": [sys.executable, str(FAKE), "right"], "build": build, "install": "taxi install fake"}
    (folder / "adapter.toml").write_text(tomli_w.dumps(values))
    monkeypatch.setattr(programs, "SHIPPED", folder.parent)
    monkeypatch.setenv("TAXI_CACHE_DIR", str(cache))
    return cache


def test_every_program_that_comes_with_the_package_is_listed_with_its_command(tmp_path: Path) -> None:
    listings = shipped_listings(tmp_path)
    assert {"commons-math", "turf"} <= {listing.name for listing in listings}
    for listing in listings:
        assert (listing.available, listing.info, listing.by_default) == (False, None, False)
        assert listing.reason == "the program is not installed"
        assert f"taxi adapters install {listing.name}" in str(listing.install)


def test_an_installed_program_is_listed_and_clusters_like_any_adapter(shipped: Path) -> None:
    with pytest.raises(UsageError, match="'fake' is not installed; install it with: taxi adapters install fake"):
        open_adapter("fake", shipped)
    home = install_program("fake", shipped)
    assert (home / "built").is_file()
    (listing,) = shipped_listings(shipped)
    assert listing.available
    assert listing.info is not None
    assert listing.info.version == "1.5", "the version that the program reports"
    adapter = open_adapter("fake", shipped)
    assert isinstance(adapter, ProgramAdapter)
    try:
        assert adapter.info == listing.info
        assert cluster(adapter).labels.tolist() == [0] * 6
    finally:
        adapter.close()
    assert isinstance(open_adapter("sklearn", shipped), SklearnAdapter)
    (shipped.parent / "shipped" / "fake" / "more").touch()
    assert not shipped_listings(shipped)[0].available, "other files are shipped now"


def test_a_program_that_does_not_start_is_not_installed(shipped: Path) -> None:
    file = shipped.parent / "shipped" / "fake" / "adapter.toml"
    file.write_text(tomli_w.dumps(FILE | {"command": [sys.executable, "-c", "raise SystemExit(4)"]}))
    with pytest.raises(TaxiError, match="fake was built, but does not start: the program exited with code 4"):
        install_program("fake", shipped)
    assert not shipped_listings(shipped)[0].available


def test_a_comparison_takes_an_installed_program_by_its_name(shipped: Path, tmp_path: Path) -> None:
    asked = Specification().with_parameters({"adapters": "sklearn,fake"})
    with pytest.raises(UsageError, match="install it with: taxi adapters install fake"):
        resolve(asked)
    install_program("fake", shipped)
    resolved = resolve(asked)
    plan = resolved.specification.trials
    assert (plan.adapters, plan.adapter_file) == (("sklearn", "fake"), ("fake",))
    assert resolved.infos["fake"].version == "1.5"
    assert resolve(resolved.specification).specification == resolved.specification
    plan = resolve(Specification().with_parameters({"adapters": "sklearn", "reference": "fake"})).specification.trials
    assert (plan.adapters, plan.reference) == (("sklearn", "fake"), "fake")
    own = asked.with_parameters({"adapter_file": str(write(tmp_path))})
    assert resolve(own).specification.trials.adapter_file == (str(tmp_path / "right.toml"),), "a file of that name"
    with pytest.raises(AdapterUnavailableError, match=r"there is no adapter 'fakes'; available: .*sklearn.*, fake$"):
        resolve(Specification().with_parameters({"adapters": "fakes"}))
    assert shipped_names() == ("fake",)


def test_a_wrong_answer_is_shrunk_to_as_few_points_as_show_it() -> None:
    """An implementation that does not count the point itself is wrong on a single point."""

    def check(workload: Workload) -> Counterexample | None:
        points, parameters = workload.points, workload.parameters
        found, expected = (
            brute_force_dbscan(points.latitude, points.longitude, parameters.eps_metres, parameters.min_samples + more)
            for more in (1, 0)
        )
        same = np.array_equal(found.labels, expected.labels)
        return None if same else Counterexample(workload, found, expected)

    wrong = check(Workload(around(np.arange(40) % 20 * 30.0, np.repeat([0.0, 900.0], 20)), Parameters(50.0, 3)))
    assert wrong is not None
    smallest = shrink(wrong, check, 60.0)
    assert len(smallest.workload.points) == 1
    assert smallest.workload.parameters.min_samples == 1
    assert (smallest.found.labels.tolist(), smallest.expected.labels.tolist()) == ([NOISE], [0])
    assert shrink(wrong, check, 0.0) is wrong


def test_a_check_ends_after_a_few_failures(program) -> None:
    results = list(check_adapter(program("crash")))
    assert [one.outcome for one in results] == [Outcome.FAILED] * 3
    assert results[0].reason is not None
    assert "exited with code 3" in results[0].reason
