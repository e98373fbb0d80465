"""A comparison as Markdown."""

from __future__ import annotations

from pathlib import Path

from taxi_mlops.reports.markdown import markdown
from taxi_mlops.testing.sample_runs import make_run


def test_the_verdict_the_table_and_the_reasons(tmp_path: Path) -> None:
    lines = markdown(make_run(tmp_path / "run").comparison).splitlines()
    assert lines[0].startswith("**swift is the fastest of 2")
    assert lines[2] == "| # | adapter | fit, median | speed-up [95 %] | memory | clustering |"
    assert lines[4].startswith("| 1 | swift | 510 ms | 4× [")
    assert lines[5] == "| 2 | steady | 2.04 s | – | 200 MB | reference |"
    assert any(line.startswith("- sloppy is not ranked: different clustering from steady") for line in lines)
    assert any(line.startswith("- late is not ranked: timeout: took longer than 600 s") for line in lines)
    assert lines[-1] == "`taxi compare --spec specification.toml` runs the same again."
