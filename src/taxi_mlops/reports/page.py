"""`report.html`: one file with everything that it needs, from the comparison, its specification and its map."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from taxi_mlops.data.load import NOT_SAMPLED
from taxi_mlops.data.preprocessor import Rule
from taxi_mlops.data.zones import ZoneRule
from taxi_mlops.recording.assembly import workloads_of
from taxi_mlops.recording.comparison import AdapterResult, Comparison
from taxi_mlops.reports.charts import eps_chart, memory_chart, speedup_chart, time_chart
from taxi_mlops.reports.disagreements import disagreements
from taxi_mlops.reports.html import TEMPLATES, file_name, render_page
from taxi_mlops.reports.map import CounterExample
from taxi_mlops.reports.picture import Picture
from taxi_mlops.reports.several_page import make_section
from taxi_mlops.reports.terminal import sentence

if TYPE_CHECKING:
    from markupsafe import Markup

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
    """The page. specification: the text of the run's `specification.toml`. shown: whose clustering is on the map."""
    across = comparison.across_workloads
    return render_page(
        "report.html.j2",
        scripts=_scripts() if map_section else (),
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
        scaling=make_section(across, workloads_of(comparison)) if across else None,
        disagreements=disagreements(comparison),
        rules=_RULES,
        specification=specification,
        specification_uri=f"data:text/plain;base64,{base64.b64encode(specification.encode()).decode('ascii')}",
    )


def _scripts() -> tuple[Markup, ...]:
    """BokehJS, and ours."""
    from bokeh.resources import Resources
    from markupsafe import Markup

    bokeh = Resources(mode="inline", components=["bokeh"], log_level="warn").js_raw
    own = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    return tuple(Markup(script) for script in (*bokeh, own))  # noqa: S704 - scripts of a library and our own
