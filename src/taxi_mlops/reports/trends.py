"""Trends as a page, as Markdown, and for the terminal."""

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
"""Series with a plot; the others stand in the table."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure of a series as a plot."""

    series: SeriesTrend
    figure: ValueTrend
    chart: Chart


def page(trends: Trends) -> str:
    """A page of one file. Those that changed come first."""
    followed = _followed(trends)
    enough = [pair for pair in followed if len(pair[1].values) > 1]
    drawn = [Drawn(series, figure, _chart(series, figure)) for series, figure in enough[:MAX_DRAWN]]
    return render_page(
        "trends.html.j2", trends=trends, verdict=sentence(trends), followed=followed, drawn=drawn, named=named
    )


_ORDER = (Verdict.REGRESSION, Verdict.IMPROVEMENT, Verdict.STEADY, Verdict.TOO_FEW)


def _followed(trends: Trends) -> list[tuple[SeriesTrend, ValueTrend]]:
    """Every figure of every series, those that changed first."""
    followed = [(series, figure) for series in trends.series for figure in series.figures]
    return sorted(followed, key=lambda pair: _ORDER.index(pair[1].verdict))


def sentence(trends: Trends) -> str:
    """How many series there are, and how many got worse."""
    if not trends.series:
        return "The experiment store holds no runs to follow."
    worse = len(trends.regressions)
    runs = len({run for series in trends.series for run in series.runs})
    over = f"{len(trends.series)} series over {runs} runs"
    return f"{worse} regressions in {over}." if worse != 1 else f"1 regression in {over}."


def named(key: SeriesKey) -> str:
    """A series in words."""
    return (
        f"{key.adapter} on {file_name(key.data)}, about {key.points:,} points, eps {key.eps_metres:g} m, min_samples "
        f"{key.min_samples}, {key.threads} threads of {key.host}"
    )


def markdown(trends: Trends) -> str:
    """The sentence, and what got worse as a list."""
    listed = [f"- **{_escaped(named(series.key))}**: {_escaped(said)}" for series, said in trends.regressions]
    return "\n\n".join(part for part in (f"**{sentence(trends)}**", "\n".join(listed)) if part)


def rows(trends: Trends) -> list[dict[str, str]]:
    """A row for each figure of each series, what changed first."""
    return [
        {
            "adapter": series.key.adapter,
            "data": file_name(series.key.data),
            "points": f"{series.key.points:,}",
            "eps, min_samples": f"{series.key.eps_metres:g} m, {series.key.min_samples}",
            "figure": figure.title,
            "runs": str(len(figure.values)),
            "last": f"{figure.values[-1]:.4g} {figure.unit}".strip(),
            "verdict": figure.verdict.value,
        }
        for series, figure in _followed(trends)
    ]


def render(trends: Trends) -> RenderableType:
    """For the terminal: the table, what got worse, the sentence."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    colours = {Verdict.REGRESSION.value: "red", Verdict.IMPROVEMENT.value: "green"}
    table = Table(box=None, pad_edge=False, header_style="bold")
    told = [row for row in rows(trends) if row["verdict"] != Verdict.TOO_FEW.value]
    for heading in told[0] if told else ():
        table.add_column(heading, justify="right" if heading in ("points", "runs", "last") else "left")
    for row in told:
        *cells, verdict = row.values()
        table.add_row(*cells, Text(verdict, style=colours.get(verdict, "")))
    parts: list[RenderableType] = [table] if told else []
    parts += [Text(f"{named(series.key)}: {said}", style="red") for series, said in trends.regressions]
    if fewer := sum(len(series.figures) for series in trends.series) - len(told):
        parts.append(
            Text(f"{fewer} figures have too few runs to tell; {MIN_RUNS_FOR_PREDICTION + 1} are needed.", "dim")
        )
    return Group(*parts, Text(sentence(trends), style="bold"))


def _escaped(text: str) -> str:
    return text.replace("|", "¦").replace("<", "‹").replace("*", "∗")


def _chart(series: SeriesTrend, figure: ValueTrend) -> Chart:
    dates = dict(zip(series.runs, series.dates, strict=True))
    since = figure.change.index if figure.change and figure.verdict is not Verdict.STEADY else len(figure.values)
    points = [
        {"date": dates[run].isoformat(), "value": value, "new": number >= since}
        for number, (run, value) in enumerate(zip(figure.runs, figure.values, strict=True))
    ]

    title = f"{figure.title}, {figure.unit}" if figure.unit else figure.title
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

    return rendered(build, f"{named(series.key)}. {figure.said}. Last value {figure.values[-1]:.4g} {figure.unit}.")
