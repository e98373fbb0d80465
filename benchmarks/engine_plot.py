"""The chart of a result of `engine.py`."""

from __future__ import annotations

from pathlib import Path

import altair as alt

NAMES = {
    "grid": "this engine",
    "grid-one-thread": "this engine, one thread",
    "grid-sphere": "this engine, great circle",
    "dbscan": "dbscan (SIGMOD 2020)",
}


def draw(result: dict, picture: Path) -> None:
    """Write the comparison with `dbscan`, and the growth with the difficult sets, as SVG or PNG."""
    charts = []
    if "compare" in result:
        charts.append(_comparison(result["compare"]["workloads"]))
    lines = [{"set": "cities at one density", **row} for row in result.get("growth", {}).get("sizes", [])]
    lines += [{"set": name, **row} for name, one in result.get("adversarial", {}).items() for row in one["sizes"]]
    if lines:
        charts.append(_growth(lines))
    alt.vconcat(*charts).resolve_scale(color="independent").save(str(picture))


def _comparison(workloads: list[dict]) -> alt.FacetChart:
    rows = [
        {
            "points": row["points"],
            "workload": f"eps {row['eps']:g} m, min_samples {row['min_samples']}",
            "implementation": NAMES[name],
            "seconds": seconds,
        }
        for row in workloads
        for name, seconds in row["seconds"].items()
    ]
    return (
        alt.Chart(alt.Data(values=rows), width=170, height=170)
        .mark_line(point=True)
        .encode(
            alt.X("points:Q", scale=alt.Scale(type="log"), title="points", axis=alt.Axis(format="~s", tickCount=3)),
            alt.Y("seconds:Q", scale=alt.Scale(type="log"), title="seconds", axis=alt.Axis(format="~g", tickCount=4)),
            alt.Color("implementation:N", title=None, sort=list(NAMES.values()), legend=alt.Legend(orient="top")),
        )
        .facet(alt.Facet("workload:N", title=None, sort=None), columns=5)
    )


def _growth(lines: list[dict]) -> alt.Chart:
    return (
        alt.Chart(alt.Data(values=lines), width=520, height=260)
        .mark_line(point=True)
        .encode(
            alt.X("points:Q", scale=alt.Scale(type="log"), title="points", axis=alt.Axis(format="~s", tickCount=4)),
            alt.Y("cpu_seconds:Q", scale=alt.Scale(type="log"), title="CPU seconds", axis=alt.Axis(format="~g")),
            alt.Color("set:N", title=None, sort=None, legend=alt.Legend(labelLimit=300)),
        )
    )
