"""Names of files, columns and packages in Markdown do nothing but stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_mlops.reports.markdown import markdown
from taxi_mlops.reports.markdown_text import code, plain
from taxi_mlops.testing.sample_runs import make_run

HOSTILE = "`![x](http://evil.example/x.png)<img src=x onerror=alert(1)>\n# [y]: javascript:alert(1)"


@pytest.mark.parametrize(
    ("given_text", "shown"),
    [
        ("pickup_latitude [degrees] * 2", "pickup_latitude [degrees] * 2"),
        ("<script>alert(1)</script>", "&lt;script>alert(1)&lt;/script>"),
        ("![x](http://evil.example/x.png)", "![x] (http://evil.example/x.png)"),
        ("[x][y] [y]: http://evil.example", "[x] [y] [y] : http://evil.example"),
        ("a\n\n# heading", "a # heading"),
    ],
)
def test_html_links_and_images_do_nothing(given_text: str, shown: str) -> None:
    assert plain(given_text) == shown


@given(st.text(alphabet="`<>![]():\n ax", min_size=1, max_size=30).filter(lambda text: text.strip(" `\n")))
def test_a_text_stays_within_its_code(text: str) -> None:
    """As CommonMark says, code ends at the first run of backticks that is as long as the one that it began with."""
    shown, line = code(text), " ".join(text.split())
    fence = re.match(r"`+", shown)
    assert fence is not None
    assert shown.endswith(fence[0])
    assert shown[len(fence[0]) : -len(fence[0])].strip() == line
    assert all(len(run) < len(fence[0]) for run in re.findall(r"`+", line))


def test_a_hostile_file_name_does_nothing_in_a_comparison(tmp_path: Path) -> None:
    comparison = make_run(tmp_path / "run").comparison
    dataset = comparison.dataset.model_copy(update={"uri": HOSTILE})
    text = markdown(comparison.model_copy(update={"dataset": dataset, "warnings": (HOSTILE, *comparison.warnings)}))
    outside = re.sub(r"(`+).*?\1(?!`)", "", text)
    assert "](" not in outside
    assert "<" not in outside
    assert "\n# " not in text
