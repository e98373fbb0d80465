"""Render `report.html`: one file, from the comparison, its specification and its map."""

from __future__ import annotations

import base64

from taxi_mlops.data.load import NOT_SAMPLED
from taxi_mlops.data.preprocessor import Rule
from taxi_mlops.data.zones import ZoneRule
from taxi_mlops.reports.analysis_page import make_section
from taxi_mlops.reports.charts import eps_chart, memory_chart, speedup_chart, time_chart
from taxi_mlops.reports.disagreements import disagreements
from taxi_mlops.reports.html import file_name, render_page
from taxi_mlops.reports.map import CounterExample
from taxi_mlops.reports.map_section import MapSection, map_scripts
from taxi_mlops.reports.terminal import sentence
from taxi_mlops.results.assembly import workloads_of
from taxi_mlops.results.comparison import AdapterResult, Comparison

RULES = {
    Rule.MISSING: "no latitude or no longitude",
    Rule.ZERO: "exactly (0, 0)",
    Rule.OUT_OF_RANGE: "latitude beyond ±90° or longitude beyond ±180°",
    Rule.SWAPPED: "latitude and longitude exchanged",
    Rule.OUTSIDE_REGION: "outside the box of the region",
    ZoneRule.UNKNOWN_ZONE: "zones 264 and 265: unknown, or outside of the city",
    ZoneRule.ZONE_NOT_IN_FILE: "no polygon of this zone in the file",
    NOT_SAMPLED: "good rows that the sample left out",
}


def counter_examples(comparison: Comparison) -> tuple[CounterExample, ...]:
    """Return all counter-examples of a comparison, by adapter."""
    return tuple(
        CounterExample(result.name, example)
        for result in comparison.adapters
        if result.equivalence
        for example in result.equivalence.examples
    )


def render(
    comparison: Comparison, specification: str, shown: AdapterResult | None, map_section: MapSection | None
) -> str:
    """Return the page. specification: the text of `specification.toml`. shown: whose clustering is on the map."""
    across = comparison.across_workloads
    return render_page(
        "report.html.j2",
        scripts=map_scripts() if map_section else (),
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
        rules=RULES,
        specification=specification,
        specification_uri=f"data:text/plain;base64,{base64.b64encode(specification.encode()).decode('ascii')}",
    )
