"""`report.html`: one file with everything that it needs, from the comparison, its specification and its map."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from taxi_mlops.data.load import NOT_SAMPLED
from taxi_mlops.data.preprocessor import Rule
from taxi_mlops.data.zones import ZoneRule
from taxi_mlops.evaluation.counterexamples import Example
from taxi_mlops.recording.assembly import workloads_of
from taxi_mlops.recording.comparison import AdapterResult, Comparison
from taxi_mlops.reports.charts import eps_chart, memory_chart, speedup_chart, time_chart
from taxi_mlops.reports.disagreements import disagreements
from taxi_mlops.reports.map import CounterExample, label_text, place_text
from taxi_mlops.reports.picture import Picture
from taxi_mlops.reports.several_page import make_section
from taxi_mlops.reports.terminal import sentence
from taxi_mlops.reports.units import UNDEFINED, factor, memory, p_value, seconds

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_TEMPLATES = Path(__file__).parent / "templates"
_RULES = {
    Rule.MISSING: "no latitude or no longitude",
    Rule.ZERO: "exactly (0, 0)",
    Rule.OUT_OF_RANGE: "latitude beyond ±90° or longitude beyond ±180°",
    Rule.SWAPPED: "latitude and longitude exchanged",
    Rule.OUTSIDE_REGION: "outside the box of the region",
    ZoneRule.UNKNOWN_ZONE: "zones 264 and 265: unknown, or outside of the city",
    ZoneRule.ZONE_NOT_IN_FILE: "no polygon of this zone in the file",
    NOT_SAMPLED: "good rows that the sample left out",
}


@dataclass(frozen=True, slots=True)
class LargeCluster:
    """A row of the table of the largest clusters, as text."""

    size: str
    share: str
    area: str
    density: str
    place: str


@dataclass(frozen=True, slots=True, eq=False)
class MapSection:
    """The map as the page shows it.

    document: for `Bokeh.embed.embed_item`. picture: the points for print, and where scripts do not run. text: what the
    map shows, for those who do not see it. caption, clusters_text: sentences below the map and above the table.
    """

    document: dict[str, Any]
    picture: Picture
    text: str
    caption: str
    clusters_text: str
    largest: tuple[LargeCluster, ...]


def counter_examples(comparison: Comparison) -> tuple[CounterExample, ...]:
    """All counter-examples of a comparison, by adapter."""
    return tuple(
        CounterExample(result.name, example)
        for result in comparison.adapters
        if result.equivalence
        for example in result.equivalence.examples
    )


def render(
    comparison: Comparison, specification: str, shown: AdapterResult | None, map_section: MapSection | None
) -> str:
    """The page. specification: the text of the run's `specification.toml`. shown: whose clustering is on the map.

    Everything that comes from data is escaped; the page lets the browser load nothing, and run only the scripts that
    it was made with.
    """
    scripts = _scripts() if map_section else ()
    page: str = (
        environment()
        .get_template("report.html.j2")
        .render(
            comparison=comparison,
            results={result.name: result for result in comparison.adapters},
            examples=counter_examples(comparison),
            title=f"DBSCAN comparison: {file_name(comparison.dataset.uri)}",
            verdict=sentence(comparison),
            shown=shown,
            map=map_section,
            time=time_chart(comparison),
            speedup=speedup_chart(comparison),
            memory=memory_chart(comparison),
            eps=eps_chart(comparison.eps_choice) if comparison.eps_choice else None,
            scaling=make_section(comparison.across_workloads, workloads_of(comparison))
            if comparison.across_workloads
            else None,
            disagreements=disagreements(comparison),
            rules=_RULES,
            specification=specification,
            specification_uri=f"data:text/plain;base64,{base64.b64encode(specification.encode()).decode('ascii')}",
            style=style(),
            scripts=scripts,
            policy=policy(scripts),
        )
    )
    return page


def _scripts() -> tuple[Markup, ...]:
    """BokehJS, and ours."""
    from bokeh.resources import Resources
    from markupsafe import Markup

    bokeh = Resources(mode="inline", components=["bokeh"], log_level="warn").js_raw
    own = (_TEMPLATES / "report.js").read_text(encoding="utf-8")
    return tuple(Markup(script) for script in (*bokeh, own))  # noqa: S704 - scripts of a library and our own


def style() -> Markup:
    """The style sheet of all pages."""
    from markupsafe import Markup

    return Markup((_TEMPLATES / "report.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file


def policy(scripts: Sequence[str] = ()) -> str:
    """The content security policy: nothing from elsewhere, no script but these, no `eval`.

    Bokeh styles its elements from its script, so styles cannot be pinned as scripts are.
    """
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii") for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


@cache
def environment() -> Environment:
    """The templates of all pages, and the filters that write figures."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined)
    # Bokeh reads a document in its order: what is referred to stands before.
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
        svg=Markup,  # drawn by vl-convert, which escapes what it is given
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
    """The last part of an address."""
    return PurePosixPath(uri).name or uri
