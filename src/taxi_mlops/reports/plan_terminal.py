"""A plan of tiles for the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from taxi_mlops.reports.units import memory
from taxi_mlops.scale.plan import Plan, PlannedTile

SHOWN = 5


def render(plan: Plan) -> RenderableType:
    """Return how many tiles there are, how large they and their halos are, and the largest of them."""
    largest = sorted(range(len(plan.tiles)), key=lambda number: -_seen(plan.tiles[number]))[:SHOWN]
    lines = [
        f"{plan.points:,} points in {len(plan.tiles):,} tiles, eps {plan.eps_metres:g} m",
        f"halos add {plan.halo_share:.1%}; a tile and its halo may have {plan.points_of_a_tile:,} points",
    ]
    if plan.oversize:
        lines.append(f"{len(plan.oversize):,} tiles have more and cannot be cut further: they are clustered one by one")
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for name in ("tile", "points", "halo", "memory"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("south, west, north, east", no_wrap=True)
    for number in largest:
        tile = plan.tiles[number]
        box = f"{tile.south:.4f}, {tile.west:.4f}, {tile.north:.4f}, {tile.east:.4f}"
        table.add_row(str(number), f"{tile.points:,}", f"{tile.halo:,}", memory(tile.memory_bytes), box)
    return Group(Text("\n".join(lines)), Text(), table)


def _seen(tile: PlannedTile) -> int:
    return tile.points + tile.halo
