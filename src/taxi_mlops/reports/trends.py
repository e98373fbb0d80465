"""The trends of recorded runs as a page, as Markdown, and for the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from taxi_mlops.evaluation.trend import MIN_RUNS_FOR_PREDICTION
from taxi_mlops.reports.charts import Chart, rendered
from taxi_mlops.reports.html import file_name, render_page
from taxi_mlops.reports.vega import ACCENT, INK, SOFT, Document, layer, layered, mark, quantitative
from taxi_mlops.runs.trends import SeriesKey, SeriesTrend, Trends, ValueTrend, Verdict

if TYPE_CHECKING:
    from rich.console import RenderableType

MAX_DRAWN = 60
"""Maximum number of series with a plot; the others are in the table."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A metric of a series, with its plot."""

    series: SeriesTrend
    trend: ValueTrend
    chart: Chart


def page(trends: Trends) -> str:
    """Return a page of one file. Changed series come first."""
    followed = _trends(trends)
    enough = [pair for pair in followed if len(pair[1].values) > 1]
    drawn = [Drawn(series, trend, _chart(series, trend)) for series, trend in enough[:MAX_DRAWN]]
    return render_page(
        "trends.html.j2", trends=trends, verdict=sentence(trends), followed=followed, drawn=drawn, named=named
    )


_ORDER = (Verdict.REGRESSION, Verdict.IMPROVEMENT, Verdict.STEADY, Verdict.TOO_FEW)


def _trends(trends: Trends) -> list[tuple[SeriesTrend, ValueTrend]]:
    """Return every metric of every series, the changed ones first."""
    found = [(series, trend) for series in trends.series for trend in series.figures]  # codespell:ignore figures
    return sorted(found, key=lambda pair: _ORDER.index(pair[1].verdict))


def sentence(trends: Trends) -> str:
    """Return how many series there are, and how many have regressions."""
    if not trends.series:
        return "The experiment store holds no runs to follow."
    worse = len(trends.regressions)
    runs = len({run for series in trends.series for run in series.runs})
    over = f"{len(trends.series)} series over {runs} runs"
    return f"{worse} regressions in {over}." if worse != 1 else f"1 regression in {over}."


def named(key: SeriesKey) -> str:
    """Return the description of a series."""
    return (
        f"{key.adapter} on {file_name(key.data)}, about {key.points:,} points, eps {key.eps_metres:g} m, min_samples "
        f"{key.min_samples}, {key.threads} threads of {key.host}"
    )


def markdown(trends: Trends) -> str:
    """Return the sentence, and the regressions as a list."""
    listed = [f"- **{_escaped(named(series.key))}**: {_escaped(said)}" for series, said in trends.regressions]
    return "\n\n".join(part for part in (f"**{sentence(trends)}**", "\n".join(listed)) if part)


def rows(trends: Trends) -> list[dict[str, str]]:
    """Return a row for each metric of each series, the changed ones first."""
    return [
        {
            "adapter": series.key.adapter,
            "data": file_name(series.key.data),
            "points": f"{series.key.points:,}",
            "eps, min_samples": f"{series.key.eps_metres:g} m, {series.key.min_samples}",
            "figure": trend.title,
            "runs": str(len(trend.values)),
            "last": f"{trend.values[-1]:.4g} {trend.unit}".strip(),
            "verdict": trend.verdict.value,
        }
        for series, trend in _trends(trends)
    ]


def render(trends: Trends) -> RenderableType:
    """Return the table, the regressions and the sentence for the terminal."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    colours = {Verdict.REGRESSION.value: "red", Verdict.IMPROVEMENT.value: "green"}
    table = Table(box=None, pad_edge=False, header_style="bold")
    counted = [row for row in rows(trends) if row["verdict"] != Verdict.TOO_FEW.value]
    for heading in counted[0] if counted else ():
        table.add_column(heading, justify="right" if heading in ("points", "runs", "last") else "left")
    for row in counted:
        *cells, verdict = row.values()
        table.add_row(*cells, Text(verdict, style=colours.get(verdict, "")))
    parts: list[RenderableType] = [table] if counted else []
    parts += [Text(f"{named(series.key)}: {said}", style="red") for series, said in trends.regressions]
    total = sum(len(series.figures) for series in trends.series)  # codespell:ignore figures
    if fewer := total - len(counted):
        parts.append(Text(f"{fewer} metrics have too few runs; {MIN_RUNS_FOR_PREDICTION + 1} are needed.", "dim"))
    return Group(*parts, Text(sentence(trends), style="bold"))


def _escaped(text: str) -> str:
    return text.replace("|", "¦").replace("<", "‹").replace("*", "∗")


def _chart(series: SeriesTrend, trend: ValueTrend) -> Chart:
    dates = dict(zip(series.runs, series.dates, strict=True))
    since = trend.change.index if trend.change and trend.verdict is not Verdict.STEADY else len(trend.values)
    points = [
        {"date": dates[run].isoformat(), "value": value, "new": number >= since}
        for number, (run, value) in enumerate(zip(trend.runs, trend.values, strict=True))
    ]

    title = f"{trend.title}, {trend.unit}" if trend.unit else trend.title
    y = quantitative("value", title=title, scale={"zero": False, "nice": True})
    before = mark("circle", color=ACCENT, size=50, opacity=1)
    after = mark("point", color=INK, size=60, strokeWidth=2, filled=False)

    def build(width: int) -> Document:
        axis = {"format": "%d %b", "tickCount": width // 80, "labelOverlap": True}
        x = {"field": "date", "type": "temporal", "title": None, "axis": axis}
        layers = [
            layer(points, mark("line", color=SOFT, strokeWidth=1), x=x, y=y),
            layer([point for point in points if not point["new"]], before, x=x, y=y),
            layer([point for point in points if point["new"]], after, x=x, y=y),
        ]
        return layered(layers, width, 130)

    return rendered(build, f"{named(series.key)}. {trend.said}. Last value {trend.values[-1]:.4g} {trend.unit}.")
