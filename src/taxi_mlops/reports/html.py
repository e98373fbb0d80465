"""Render pages of one file: templates, style sheet, filters that format values, content security policy."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from taxi_mlops.evaluation.counterexamples import Example
from taxi_mlops.reports.map import label_text, place_text
from taxi_mlops.reports.units import UNDEFINED, factor, memory, p_value, seconds
from taxi_mlops.results.comparison import AdapterResult

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"


def render_page(template: str, scripts: Sequence[str] = (), **content: object) -> str:
    """Return a page from a template of ours; everything that comes from data is escaped.

    The page's policy lets the browser load nothing, and run no scripts but these.
    """
    return (
        _environment().get_template(template).render(content, scripts=scripts, style=_style(), policy=_policy(scripts))
    )


def render_fragment(template: str, **content: object) -> str:
    """A part of a page, from a template of ours; everything that comes from data is escaped."""
    return _environment().get_template(template).render(content)


def _style() -> Markup:
    """Return the style sheet of all pages."""
    from markupsafe import Markup

    return Markup((TEMPLATES / "report.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file


def _policy(scripts: Sequence[str]) -> str:
    """Return the content security policy: nothing from elsewhere, no script but these, no `eval`.

    Bokeh styles its elements from its script, so styles cannot be allowed by their hash as scripts are.
    """
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii") for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


@cache
def _environment() -> Environment:
    """Return the templates of all pages, with the filters that format values."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    # Bokeh reads a document in order: objects must be defined before they are referred to.
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "separators": (",", ":"), "allow_nan": False}
    environment.filters.update(
        seconds=seconds,
        memory=memory,
        factor=factor,
        bare_factor=lambda value: factor(value)[:-1],
        p_value=lambda value: p_value(value).removeprefix("= "),
        interval=_interval,
        index=lambda value: "1" if value == 1.0 else f"{value:.4f}",
        bytes=lambda value: UNDEFINED if value is None else f"{value:,.0f} B",
        metres=lambda value: UNDEFINED if value is None else f"{value:.3f} m",
        figure=_figure,
        label=label_text,
        place=_place,
        share=_share,
        file_name=file_name,
        svg=Markup,  # drawn by vl-convert, which escapes its input
    )
    return environment


def _interval(result: AdapterResult) -> str:
    if result.fit_seconds_ci is None or result.fit_seconds_ci_confidence is None:
        return ""
    low, high = result.fit_seconds_ci
    low_value, low_unit = seconds(low).split(" ")
    high_value, high_unit = seconds(high).split(" ")
    between = "" if low_unit == high_unit else f"\N{NO-BREAK SPACE}{low_unit}"
    return f"[{low_value}{between}–{high_value}\N{NO-BREAK SPACE}{high_unit}]"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}".replace("-", "−")


def _place(example: Example) -> str:
    return place_text(example.latitude, example.longitude)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2%}" if whole else UNDEFINED


def file_name(uri: str) -> str:
    """Return the last part of an address."""
    return PurePosixPath(uri).name or uri
