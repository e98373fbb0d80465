"""The card of a hotspot model, as Markdown and as one page of HTML."""

from __future__ import annotations

from collections.abc import Iterator

from taxi_mlops.evaluation.quality.metrics import Estimate
from taxi_mlops.reports.html import render_page
from taxi_mlops.reports.map_section import MapSection, map_scripts
from taxi_mlops.reports.markdown_text import plain
from taxi_mlops.results.model_card import Changes, ModelCard, Split

_WIDTH, _HEIGHT, _EDGE = 360, 300, 34
_LISTED = 20


def render(card: ModelCard, section: MapSection) -> str:
    """Return the page."""
    return render_page(
        "model.html.j2",
        scripts=map_scripts(),
        card=card,
        title=f"Hotspot model: {card.name}",
        facts=facts(card),
        changes=tuple(changes(card.changes)) if card.changes else (),
        curve=None if card.unseen is None else _curve(card.unseen.curve),
        map=section,
    )


def markdown(card: ModelCard) -> str:
    """Return the card without map and curve."""
    lines = [f"# Hotspot model {card.name}", "", *(f"- **{name}**: {plain(value)}" for name, value in facts(card))]
    if card.changes:
        lines += ["", f"## Against version {card.changes.version}", ""]
        lines += [f"- {line}" for line in changes(card.changes)]
    if card.warnings:
        lines += ["", "## Warnings", "", *(f"- {plain(warning)}" for warning in card.warnings)]
    lines += ["", f"Made by taxi-mlops {card.machine.taxi_mlops} on {card.created_at:%-d %B %Y, %H:%M} UTC.", ""]
    return "\n".join(lines)


def facts(card: ModelCard) -> tuple[tuple[str, str], ...]:
    """Return the values of a card for people, each with its name."""
    return tuple(_facts(card))


def _facts(card: ModelCard) -> Iterator[tuple[str, str]]:
    parameters, dataset = card.parameters, card.dataset
    yield "hotspots", f"{card.n_hotspots:,}, of {card.n_places:,} places with core points"
    if card.n_named is not None:
        yield "names", f"{card.n_named:,} hotspots have one"
    yield "parameters", f"eps {parameters.eps_metres:g} m, min_samples {parameters.min_samples}"
    yield "trips", f"{dataset.uri} ({dataset.schema_}), version {dataset.data_version}"
    yield "fingerprint", dataset.fingerprint
    yield "trained on", f"{card.trained_on:,} of {dataset.points:,} points; {card.n_noise:,} of them are noise"
    if card.held_out:
        since = f", since {card.held_out.since}" if card.held_out.since else ""
        yield "held out", f"{card.held_out.points:,} trips, {card.held_out.drawn}{since}"
    if card.unseen:
        score = card.unseen
        yield "unseen-trip score", f"{score.score:.4f} [{score.low:.4f}, {score.high:.4f}]; 0.5 is chance, 1 the best"
        yield "unseen trips inside", f"{score.share_inside:.1%} of the trips on {score.share_of_area:.1%} of the area"
    else:
        yield "unseen-trip score", "none: nothing was held out"
    if card.against_champion:
        other = card.against_champion
        yield (
            f"against champion, version {other.version}",
            f"{_signed(other.difference)} [{_signed(other.low)}, {_signed(other.high)}] on the same trips, "
            f"on which it has {other.other.score:.4f}",
        )
    if card.dbcv:
        yield "DBCV", _estimate(card.dbcv)
    if card.stability:
        yield "stability", f"{_estimate(card.stability)} (adjusted Rand index under resampling)"
    yield "adapter", f"{card.adapter.name} {card.adapter.version}. {card.adapter_reason}"
    if card.proof:
        verdict = card.proof.verdict.value.replace("_", " ")
        yield "proof", f"{verdict} to the clustering of {card.proof.reference}, on {card.proof.points:,} points"
    else:
        yield "proof", "none: no second implementation could cluster these points"
    yield "times", f"column {card.time_column}, as written" if card.time_column else "none"


def changes(found: Changes) -> Iterator[str]:
    """Return what has become of the hotspots of another version, in sentences."""
    yield f"{found.kept:,} of {found.hotspots_before:,} hotspots keep their id."
    if found.born:
        yield f"{len(found.born):,} are new: {_ids(found.born)}."
    if found.vanished:
        yield f"{len(found.vanished):,} have vanished ({found.share_vanished:.1%}): {_ids(found.vanished)}."
    if found.splits:
        yield f"{len(found.splits):,} are split: {_pairs(found.splits)}."
    if found.mergers:
        merged = "; ".join(f"{_ids(one.of)} are now {one.id}" for one in found.mergers[:_LISTED])
        yield f"{len(found.mergers):,} hold several: {merged}{'; …' if len(found.mergers) > _LISTED else ''}."


def _pairs(splits: tuple[Split, ...]) -> str:
    said = "; ".join(f"{one.id} into {_ids(one.into)}" for one in splits[:_LISTED])
    return f"{said}{'; …' if len(splits) > _LISTED else ''}"


def _ids(ids: tuple[int, ...]) -> str:
    return ", ".join(map(str, ids[:_LISTED])) + (", …" if len(ids) > _LISTED else "")


def _estimate(found: Estimate) -> str:
    if found.value is None:
        return f"none: {found.reason}"
    interval = f" [{found.interval.low:.3f}, {found.interval.high:.3f}]" if found.interval else ""
    return f"{found.value:.3f}{interval}{f'; {found.note}' if found.note else ''}".replace("-0.", "−0.")


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")


def _curve(corners: tuple[tuple[float, float], ...]) -> dict[str, object]:
    """Return the curve in the coordinates of its picture."""
    side_x, side_y = _WIDTH - 2 * _EDGE, _HEIGHT - 2 * _EDGE
    points = " ".join(f"{_EDGE + area * side_x:.1f},{_HEIGHT - _EDGE - trips * side_y:.1f}" for area, trips in corners)
    return {"points": points, "width": _WIDTH, "height": _HEIGHT, "edge": _EDGE}
