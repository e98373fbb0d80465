"""Compute the trend of each adapter's metrics over the runs of the experiment store, and find regressions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal

import numpy as np
from pydantic import AwareDatetime, Field
from sqlalchemy import Select, select

from taxi_mlops.domain import MAIN, FloatArray
from taxi_mlops.evaluation.performance import CONFIDENCE
from taxi_mlops.evaluation.statistics import holm
from taxi_mlops.evaluation.trend import (
    MIN_RUNS_FOR_PREDICTION,
    ChangePoint,
    Prediction,
    change_point,
    predict_last,
)
from taxi_mlops.results.documents import ResultDocument
from taxi_mlops.runs.listing import RunFilter
from taxi_mlops.runs.stored_runs import conditions
from taxi_mlops.service_urls import ServiceUrl
from taxi_mlops.storage.database import reading
from taxi_mlops.storage.experiments import AdapterRow, ComparisonRow, DataSetRow, ValueRow

SEED = 0
MAX_RUNS = 200
"""How many of the newest runs of a series are used."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric whose trend is computed. name: as in the store.

    per_point: whether it is divided by the points. ratio: whether levels are compared by their ratio, else by their
    difference. least: the smallest relevant shift, as such a ratio or difference. rising_is_worse: the bad direction.
    """

    name: str
    title: str
    unit: str
    per_point: bool
    ratio: bool
    least: float
    rising_is_worse: bool


MEASURES = (
    Measure("fit_seconds_median", "time a point", "µs", True, True, 1.05, True),
    Measure("peak_memory_bytes", "memory", "MB", False, True, 1.05, True),
    Measure("quality.dbcv.value", "DBCV", "", False, False, 0.02, False),
)
_FACTORS = {"µs": 1e6, "MB": 1e-6, "": 1.0}


class Verdict(StrEnum):
    """The verdict on a series."""

    REGRESSION = "regression"
    IMPROVEMENT = "improvement"
    STEADY = "steady"
    TOO_FEW = "too few runs"


class SeriesKey(ResultDocument):
    """The properties that all runs of one series share."""

    adapter: str
    data: str = Field(description="Address of the trips.")
    points: int = Field(description="To two digits: a file that grows a little stays in its series.")
    eps_metres: float
    min_samples: int
    threads: int
    host: str


class ValueTrend(ResultDocument):
    """One metric over the runs of a series. Tests of ratios use their logarithms."""

    measure: str
    title: str
    unit: str
    values: tuple[float, ...] = Field(description="The oldest first.")
    runs: tuple[str, ...]
    verdict: Verdict
    said: str = Field(description="The verdict as a sentence.")
    change: ChangePoint | None = Field(description="The most likely lasting shift, whether or not it is significant.")
    p_adjusted: float | None = Field(description="Of the shift, by Holm over all series.")
    prediction: Prediction | None = Field(description="Interval of the last value, predicted from those before it.")


class SeriesTrend(ResultDocument):
    """One adapter on one workload, over time."""

    key: SeriesKey
    runs: tuple[str, ...]
    dates: tuple[AwareDatetime, ...]
    versions: tuple[str, ...] = Field(description="Of the library, in order, each once.")
    fingerprints: int = Field(description="How many different sets of points the runs were on.")
    figures: tuple[ValueTrend, ...]  # codespell:ignore figures
    remarks: tuple[str, ...] = Field(description="Differences of the last run: another status, another verdict.")


class Trends(ResultDocument):
    """All series of the store that match a filter."""

    schema_version: Literal[1] = 1
    made_at: AwareDatetime
    store: str = Field(description="Address of the store, with passwords masked.")
    series: tuple[SeriesTrend, ...]

    @property
    def regressions(self) -> tuple[tuple[SeriesTrend, str], ...]:
        """The regressions, as sentences."""
        found: list[tuple[SeriesTrend, str]] = []
        for series in self.series:
            trends = series.figures  # codespell:ignore figures
            found += [(series, trend.said) for trend in trends if trend.verdict is Verdict.REGRESSION]
            found += [(series, remark) for remark in series.remarks]
        return tuple(found)


@dataclass(frozen=True, slots=True)
class _Run:
    """An adapter in one run."""

    run_id: str
    created_at: datetime
    fingerprint: str
    n_points: int
    status: str
    verdict: str | None
    version: str | None
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _History:
    """A metric over the runs of a series that have it, the oldest first.

    values: in its unit. scaled: the values, or their logarithms if levels are compared by their ratio. change: the most
    likely lasting shift of these.
    """

    measure: Measure
    values: tuple[float, ...]
    runs: tuple[str, ...]
    scaled: FloatArray
    change: ChangePoint | None


def read_trends(url: ServiceUrl, wanted: RunFilter) -> Trends:
    """Compute the trend of every adapter on every workload. Raises ServiceError if the store cannot be read."""
    found = _read(url, wanted)
    followed = {key: tuple(_histories(runs)) for key, runs in found.items()}
    histories = [history for of_series in followed.values() for history in of_series]
    adjusted = iter(holm([history.change.p_value for history in histories if history.change is not None]))
    last_tests = sum(len(history.values) > MIN_RUNS_FOR_PREDICTION for history in histories)
    confidence = 1.0 - (1.0 - CONFIDENCE) / max(last_tests, 1)
    series = []
    for key, runs in found.items():
        p_values = [None if history.change is None else next(adjusted) for history in followed[key]]
        judged = [_value_trend(history, p, confidence) for history, p in zip(followed[key], p_values, strict=True)]
        series.append(_series(key, runs, judged))
    return Trends(made_at=datetime.now(UTC), store=str(url), series=tuple(series))


def _read(url: ServiceUrl, wanted: RunFilter) -> dict[SeriesKey, list[_Run]]:
    """Return the runs of each series, the oldest first; series in order of their names."""
    found: dict[SeriesKey, list[_Run]] = {}
    with reading(url) as connection:
        if connection is None:
            return {}
        rows = connection.execute(_query(wanted)).all()
        values: dict[tuple[str, str], dict[str, float]] = {}
        for run_id, adapter, name, value in connection.execute(_values_query(wanted)):
            values.setdefault((run_id, adapter), {})[name] = value
    for row in rows:
        key = SeriesKey(
            adapter=row.adapter,
            data=row.uri,
            points=_two_digits(row.points),
            eps_metres=row.eps_metres,
            min_samples=row.min_samples,
            threads=row.threads,
            host=row.host,
        )
        run = _Run(
            row.run_id,
            row.created_at,
            row.fingerprint,
            row.points,
            row.status,
            row.verdict,
            row.version,
            values.get((row.run_id, row.adapter), {}),
        )
        found.setdefault(key, []).append(run)
    order = sorted(found, key=lambda key: (key.data, key.points, key.eps_metres, key.min_samples, key.adapter))
    return {key: found[key][-MAX_RUNS:] for key in order}


def _query(wanted: RunFilter) -> Select[tuple[object, ...]]:
    query = (
        select(
            AdapterRow.run_id,
            AdapterRow.adapter,
            AdapterRow.status,
            AdapterRow.verdict,
            AdapterRow.version,
            ComparisonRow.created_at,
            ComparisonRow.eps_metres,
            ComparisonRow.min_samples,
            ComparisonRow.threads,
            ComparisonRow.host,
            DataSetRow.uri,
            DataSetRow.points,
            DataSetRow.fingerprint,
        )
        .join(ComparisonRow, ComparisonRow.run_id == AdapterRow.run_id)
        .join(DataSetRow, DataSetRow.id == ComparisonRow.data_set_id)
        .where(AdapterRow.version.is_not(None))  # those whose library was installed
        .order_by(ComparisonRow.created_at)
    )
    return query.where(*conditions(wanted))


def _values_query(wanted: RunFilter) -> Select[tuple[str, str, str, float]]:
    query = (
        select(ValueRow.run_id, ValueRow.adapter, ValueRow.name, ValueRow.value)
        .join(ComparisonRow, ComparisonRow.run_id == ValueRow.run_id)
        .join(AdapterRow, (AdapterRow.run_id == ValueRow.run_id) & (AdapterRow.adapter == ValueRow.adapter))
        .join(DataSetRow, DataSetRow.id == ComparisonRow.data_set_id)
        .where(ValueRow.name.in_([measure.name for measure in MEASURES]), ValueRow.workload == MAIN)
    )
    return query.where(*conditions(wanted))


def _two_digits(points: int) -> int:
    digits = max(len(str(points)) - 2, 0)
    return round(points, -digits)


def _histories(runs: Sequence[_Run]) -> Iterator[_History]:
    """Return each metric that any run has."""
    for measure in MEASURES:
        having = [run for run in runs if measure.name in run.values]
        if having:
            factor = _FACTORS[measure.unit]
            values = [run.values[measure.name] * factor / (run.n_points if measure.per_point else 1) for run in having]
            scaled = np.log(values) if measure.ratio else np.asarray(values, dtype=np.float64)
            yield _History(
                measure, tuple(values), tuple(run.run_id for run in having), scaled, change_point(scaled, SEED)
            )


def _value_trend(history: _History, p_adjusted: float | None, confidence: float) -> ValueTrend:
    """Return the trend. p_adjusted: of its shift, None if it has none. confidence: of the prediction interval."""
    shift = _lasting_shift(history, p_adjusted)
    prediction = predict_last(history.scaled[shift.index if shift else 0 :], confidence)
    verdict, said = _verdict(history, shift, prediction)
    return ValueTrend(
        measure=history.measure.name,
        title=history.measure.title,
        unit=history.measure.unit,
        values=history.values,
        runs=history.runs,
        verdict=verdict,
        said=said,
        change=history.change,
        p_adjusted=p_adjusted,
        prediction=prediction,
    )


def _lasting_shift(history: _History, p_adjusted: float | None) -> ChangePoint | None:
    """Return the shift if it is both significant and large enough to be relevant."""
    change = history.change
    if change is None or p_adjusted is None or p_adjusted >= 1.0 - CONFIDENCE:
        return None
    return change if _matters(history.measure, change.after - change.before) else None


def _matters(measure: Measure, shift: float) -> bool:
    return abs(shift) >= (math.log(measure.least) if measure.ratio else measure.least)


def _verdict(history: _History, change: ChangePoint | None, prediction: Prediction | None) -> tuple[Verdict, str]:
    """Return the verdict, and a sentence that explains it. change: the lasting shift, if any."""
    measure = history.measure
    if change is not None:
        shift = change.after - change.before
        said = f"{measure.title}: {_moved(measure, shift)} since {history.runs[change.index]}"
        return _worse_or_better(measure, shift), said
    if prediction is None:
        return Verdict.TOO_FEW, f"{measure.title}: {len(history.values)} runs are too few to tell"
    shift = float(history.scaled[-1]) - (prediction.low + prediction.high) / 2.0
    if not prediction.within and _matters(measure, shift):
        return _worse_or_better(measure, shift), (
            f"{measure.title}: {_moved(measure, shift)} in the last run, {history.runs[-1]}, beyond what the runs "
            "before it let expect"
        )
    return Verdict.STEADY, f"{measure.title}: steady over {len(history.values)} runs"


def _worse_or_better(measure: Measure, shift: float) -> Verdict:
    return Verdict.REGRESSION if (shift > 0) == measure.rising_is_worse else Verdict.IMPROVEMENT


def _moved(measure: Measure, shift: float) -> str:
    return f"{math.exp(shift) - 1.0:+.0%}" if measure.ratio else f"{shift:+.3f}"


def _series(key: SeriesKey, runs: Sequence[_Run], trends: Sequence[ValueTrend]) -> SeriesTrend:
    return SeriesTrend(
        key=key,
        runs=tuple(run.run_id for run in runs),
        dates=tuple(run.created_at for run in runs),
        versions=tuple(dict.fromkeys(run.version for run in runs if run.version)),
        fingerprints=len({run.fingerprint for run in runs}),
        figures=tuple(trends),  # codespell:ignore figures
        remarks=tuple(_remarks(runs)),
    )


def _remarks(runs: Sequence[_Run]) -> Iterator[str]:
    """Return how the last run differs from the one before it."""
    if len(runs) < 2:
        return
    before, last = runs[-2:]
    if last.status != "ok" and before.status == "ok":
        yield f"ended {last.status} in {last.run_id}"
    if last.verdict == "different" and before.verdict not in (None, "different"):
        yield f"clusters otherwise than the reference in {last.run_id}"
