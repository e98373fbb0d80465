"""The results of a comparison as an object; `tests/integration` runs comparisons."""

from __future__ import annotations

import pytest

import taxi_mlops as taxi
from taxi_mlops.api.comparison import Comparison
from taxi_mlops.errors import DataNotFoundError, RunFolderError, UnknownParameterError, UsageError
from taxi_mlops.testing.sample_runs import make_run


@pytest.fixture
def comparison(tmp_path):
    make_run(tmp_path / "run")
    return Comparison(tmp_path / "run")


def test_it_is_read_from_the_folder_of_a_run(comparison, tmp_path):
    assert comparison.folder == tmp_path / "run"
    assert comparison.report == tmp_path / "run" / "report.html"
    assert comparison.result.dataset.uri == "/data/santiago.parquet"
    assert comparison.verdict.startswith("swift is the fastest of 2 equal clusterings")
    with pytest.raises(RunFolderError, match=r"comparison\.json is missing"):
        Comparison(tmp_path)


def test_verdicts_are_by_adapter(comparison):
    assert comparison.verdicts == {
        "steady": "reference",
        "swift": "equal",
        "sloppy": "different",
        "late": "timeout",
        "absent": "skipped",
    }


def test_a_terminal_shows_the_table_of_the_command_line(comparison):
    lines = repr(comparison).splitlines()
    assert lines[0].startswith("1,000 points of /data/santiago.parquet (santiago; 10 of 1,010 rows")
    assert any(line.split()[:2] == ["1", "swift"] for line in lines)
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in repr(comparison)


def test_advice_names_keyword_arguments(comparison):
    assert "run with repeats=6 or more" in " ".join(repr(comparison).split())
    assert "run with repeats=6 or more" in comparison._repr_html_()
    assert any("--repeats 6" in warning for warning in comparison.result.warnings)


def test_a_frame_has_a_row_an_adapter_with_the_names_of_the_document(comparison):
    pytest.importorskip("pandas")
    frame = comparison.to_frame()
    assert frame.index.tolist() == ["swift", "steady", "sloppy", "late", "absent"]
    assert frame["rank"].tolist()[:2] == [1.0, 2.0]
    assert frame.loc["swift", "fit_seconds_median"] == 0.51
    assert frame.loc["swift", "equivalence.verdict"] == "equal"
    assert frame.loc["late", "status"] == "timeout"
    assert frame.loc["swift", "speedup.estimate"] == pytest.approx(4.0)
    assert {"peak_memory_bytes", "quality", "labels", "trials.ok", "slower_than_winner.low"} <= set(frame.columns)


def test_labels_are_those_of_adapters_that_gave_an_answer(comparison):
    with pytest.raises(UsageError, match=r"^there are no labels of 'late'; there are those of .*swift"):
        comparison.labels("late")


class TestArguments:
    """What is refused before anything runs."""

    @pytest.fixture(autouse=True)
    def folders(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("TAXI_CACHE_DIR", str(tmp_path / "cache"))

    @pytest.mark.parametrize(
        ("trips", "parameters", "kind", "built_in", "message"),
        [
            (None, {"epsilon": 3}, UnknownParameterError, TypeError, "no parameter 'epsilon'; did you mean 'eps'"),
            (None, {"eps": -3}, UsageError, ValueError, "^eps = -3: Input should be metres"),
            (None, {"threads": 99999}, UsageError, ValueError, "^threads=99999 is more than the"),
            (None, {"adapters": ["nothing"]}, UsageError, ValueError, "^there is no adapter 'nothing'; available: "),
            ("nowhere.csv", {}, DataNotFoundError, FileNotFoundError, "^nowhere.csv: there is no such file"),
            ([[1.0, 2.0, 3.0]], {}, UsageError, ValueError, r"has shape \(1, 3\), not \(n, 2\)"),
            (3, {}, UsageError, TypeError, "^trips cannot be read from int"),
        ],
    )
    def test_errors_are_of_the_built_in_kinds(self, trips, parameters, kind, built_in, message, tmp_path):
        with pytest.raises(kind, match=message) as caught:
            taxi.compare(trips, **parameters)
        assert isinstance(caught.value, built_in)
        assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())

    def test_what_chooses_points_is_given_where_they_are_loaded(self):
        trips = taxi.load([[-33.44, -70.65], [-33.45, -70.66]])
        with pytest.raises(UsageError, match=r"^lat: the trips are loaded already; give lat to taxi_mlops\.load$"):
            taxi.compare(trips, lat="north", lon="east")

    def test_a_sample_of_a_sample_is_refused(self):
        trips = taxi.load([[-33.44, -70.65], [-33.45, -70.66]], sample=1)
        with pytest.raises(UsageError, match="the trips are a sample already"):
            taxi.compare(trips, sample=1)

    def test_a_folder_that_is_used_is_refused(self, tmp_path):
        (tmp_path / "used").mkdir()
        (tmp_path / "used" / "notes.txt").write_text("mine")
        with pytest.raises(RunFolderError, match="is not empty"):
            taxi.compare([[-33.44, -70.65]], output=tmp_path / "used")
        assert [path.name for path in (tmp_path / "used").iterdir()] == ["notes.txt"]
