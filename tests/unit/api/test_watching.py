"""Progress in notebooks, silence elsewhere, warnings as Python's."""

from __future__ import annotations

import pytest

from taxi_mlops.api import watching
from taxi_mlops.api.watching import NotebookObserver, watched
from taxi_mlops.domain import Trial, TrialKind


@pytest.fixture
def shown(monkeypatch):
    """What the output of a cell shows, one after another."""
    display = pytest.importorskip("IPython.display")
    outputs = []

    class Handle:
        def update(self, data, raw):
            outputs.append(data)

    def show(data, raw, display_id):
        outputs.append(data)
        return Handle()

    monkeypatch.setattr(display, "display", show)
    return outputs


def test_nothing_is_printed_outside_of_notebooks(capsys):
    with watched() as observer:
        observer.loading("Reading", 1, 2)
        observer.stage("Clustering")
        observer.trial_started(Trial("grid", TrialKind.TIMING, 1), 1, 2)
    assert capsys.readouterr() == ("", "")


def test_warnings_become_warnings_of_python_at_the_end():
    context = watched()
    observer = context.__enter__()
    observer.warning("no tracking server")  # an error, were it a warning already
    with pytest.warns(UserWarning, match="^no tracking server$"):
        context.__exit__(None, None, None)


def test_a_notebook_shows_a_bar_and_takes_it_away(shown):
    observer = NotebookObserver()
    observer.stage("Reading <b>")
    observer.trial_started(Trial("grid", TrialKind.TIMING, 2), 3, 8)
    assert shown[-2]["text/html"] == (
        '<progress aria-label="Reading &lt;b&gt;" style="width: 20em"></progress> Reading &lt;b&gt;'
    )
    assert shown[-1]["text/html"].endswith('value="2" max="8"></progress> 3 of 8: grid, timing 2')
    assert shown[-1]["text/plain"] == "3 of 8: grid, timing 2"
    observer.close()
    assert shown[0] == shown[-1] == {"text/html": "", "text/plain": ""}


def test_reading_updates_the_bar_no_more_than_five_times_a_second(shown, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(watching.time, "monotonic", lambda: clock[0])
    observer = NotebookObserver()
    for done in range(10):
        observer.loading("Reading", done, 10)
        clock[0] += 0.0625
    assert [output["text/html"].split('value="')[1][0] for output in shown[1:]] == ["0", "4", "8"]
