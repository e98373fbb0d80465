"""The tables and pictures of the results of `field.py`."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from statistics import geometric_mean, median

import altair as alt

from field_workloads import SHAPES
from taxi_mlops.evaluation.performance import median_interval

OURS = "grid"


def report(results: Path) -> None:
    """Print the tables in Markdown, and write the pictures beside the results."""
    header, *rows = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    machine = header["machine"]
    print(f"{machine['processor']}, {machine['logical_cpus']} CPUs, {machine['memory_bytes'] / 1e9:.0f} GB, ", end="")
    print(f"{machine['system']}, {machine['python']}; load of the machine while measured: up to {_load(rows):.1f}\n")
    print(_verdicts(rows))
    print(_ratios([row for row in rows if row["shape"] in SHAPES]))
    for shape in dict.fromkeys(row["shape"] for row in rows):
        print(_speed([row for row in rows if row["shape"] == shape], shape))
    print(_failures(rows))
    timed = [row for row in rows if row["fit_seconds"] is not None]
    if timed:
        _draw_speed(timed, results.with_name("speed.svg"))
        print(f"\npicture: {results.with_name('speed.svg')}")


def _load(rows: list[dict]) -> float:
    return max((row["load"] for row in rows), default=0.0)


def _table(heads: list[str], lines: list[list[str]]) -> str:
    text = [" | ".join(("", *cells, "")).strip() for cells in (heads, ["---"] * len(heads), *lines)]
    return "\n".join(text) + "\n"


def _by_adapter(rows: list[dict]) -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = defaultdict(list)
    for row in rows:
        found[row["adapter"]].append(row)
    return dict(sorted(found.items()))


def _verdicts(rows: list[dict]) -> str:
    """Return, for each adapter, on how many workloads it was right, and by how many points it was wrong at most."""
    lines = []
    for adapter, own in _by_adapter([row for row in rows if "verdict" in row]).items():
        right = sum(row["verdict"] != "different" for row in own)
        counts = ("core_points_differing", "partition_differing", "noise_differing", "border_points_invalid")
        worst = [max((row[count] or 0) for row in own) for count in counts]
        versions = ", ".join(sorted({str(row["version"]) for row in own}))
        lines.append([f"`{adapter}`", versions, f"{right} of {len(own)}", *map(str, worst)])
    heads = ["adapter", "version", "right", "core points", "partition", "noise", "border points"]
    return _table(heads, lines)


def _ratios(rows: list[dict]) -> str:
    """Return how many times as long as ours each adapter takes: of the made points, geometric means over workloads.

    Where it answered wrongly or not at all on one of the workloads of a size, that is marked.
    """
    fits: dict[tuple[int, str, str], list[float]] = defaultdict(list)
    for row in rows:
        if row["kind"] == "timing" and row["status"] == "ok":
            fits[row["points"], row["workload"], row["adapter"]].append(row["fit_seconds"])
    medians = {key: median(values) for key, values in fits.items()}
    wrong = {(row["points"], row["adapter"]) for row in rows if row.get("verdict") == "different"}
    sizes, lines = sorted({row["points"] for row in rows}), []
    for adapter in _by_adapter(rows):
        cells = []
        for size in sizes:
            ours = {workload: seconds for (n, workload, who), seconds in medians.items() if (n, who) == (size, OURS)}
            keys = [(size, workload, adapter) for workload in ours]
            ratios = [medians[key] / ours[key[1]] for key in keys if key in medians]
            incomplete = f" ({len(ratios)} of {len(ours)})" if len(ratios) < len(ours) else ""
            mark = " (wrong)" if (size, adapter) in wrong else ""
            cells.append(f"{geometric_mean(ratios):.3g}{incomplete}{mark}" if ratios else "–")
        lines.append([f"`{adapter}`", *cells])
    return _table(["time / ours", *(f"{size:,} points" for size in sizes)], lines)


def _speed(rows: list[dict], shape: str) -> str:
    """Return medians of the fit with their intervals, and peak memory: a row for each workload, fastest first."""
    lines = []
    for workload in dict.fromkeys(row["workload"] for row in rows):
        own = _by_adapter([row for row in rows if row["workload"] == workload])
        fits = {
            adapter: [row["fit_seconds"] for row in of if row["kind"] == "timing" and row["status"] == "ok"]
            for adapter, of in own.items()
        }
        wrong = {adapter for adapter, of in own.items() if any(row.get("verdict") == "different" for row in of)}
        ranked = sorted((median(values), adapter, values) for adapter, values in fits.items() if values)
        for seconds, adapter, values in ranked:
            interval = median_interval(values) if len(values) > 1 else None
            between = "" if interval is None else f"{_seconds(interval.low)} to {_seconds(interval.high)}"
            peaks = [row["peak_memory_bytes"] for row in own[adapter] if row["peak_memory_bytes"] is not None]
            memory = f"{max(peaks) / 1e6:,.0f} MB" if peaks else ""
            points = f"{own[adapter][0]['points']:,}"
            parameters = f"{own[adapter][0]['eps_metres']:g} m, {own[adapter][0]['min_samples']}"
            mark = " (wrong)" if adapter in wrong else ""
            lines.append([points, parameters, f"`{adapter}`{mark}", _seconds(seconds), between, memory])
    heads = [f"points ({shape})", "eps, min_samples", "adapter", "fit, median", "interval", "memory"]
    return _table(heads, lines)


def _seconds(value: float) -> str:
    return f"{value * 1e3:.2f} ms" if value < 0.1 else f"{value:.2f} s"


def _failures(rows: list[dict]) -> str:
    failed = [row for row in rows if row["status"] != "ok"]
    lines = [[f"`{row['adapter']}`", row["workload"], row["status"], str(row["cause"] or "")[:120]] for row in failed]
    return _table(["adapter", "workload", "how it ended", "cause"], lines) if lines else "No trial failed.\n"


def _draw_speed(rows: list[dict], picture: Path) -> None:
    """Write the median time against the number of points, a panel for each shape and pair of parameters."""
    groups: dict[tuple[str, str, str, int], list[float]] = defaultdict(list)
    for row in rows:
        if row["kind"] == "timing" and row["status"] == "ok":
            panel = f"{row['shape']}, {row['eps_metres']:g} m, {row['min_samples']}"
            groups[row["adapter"], panel, row["shape"], row["points"]].append(row["fit_seconds"])
    values = [
        {"adapter": adapter, "panel": panel, "points": points, "seconds": median(fits), "ours": adapter == OURS}
        for (adapter, panel, _, points), fits in groups.items()
    ]
    alt.Chart(alt.Data(values=values), width=230, height=190).mark_line(point=True).encode(
        alt.X("points:Q", scale=alt.Scale(type="log"), title="points", axis=alt.Axis(format="~s", tickCount=4)),
        alt.Y("seconds:Q", scale=alt.Scale(type="log"), title="seconds", axis=alt.Axis(format="~g")),
        alt.Color("adapter:N", title=None, scale=alt.Scale(scheme="tableau20")),
        alt.StrokeWidth("ours:N", legend=None, scale=alt.Scale(domain=[False, True], range=[1.2, 3.0])),
    ).facet(alt.Facet("panel:N", title=None), columns=3).save(str(picture))
