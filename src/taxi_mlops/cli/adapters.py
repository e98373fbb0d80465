"""`taxi adapters`: list the implementations, and how to install those that are missing."""

from __future__ import annotations

from taxi_mlops.cli.options import Json
from taxi_mlops.cli.printing import plain_table, print_json


def adapters(json: Json = False) -> None:
    """List the DBSCAN implementations: installed or missing, and what each supports."""
    from rich.console import Console
    from rich.markup import escape

    from taxi_mlops.adapters.registry import AdapterListing, list_adapters

    listings = list_adapters()
    if json:
        print_json(tuple[AdapterListing, ...], listings)
        return
    table = plain_table("adapter", "version", "exact", "weights", "parallel", "device", "what it is")
    for listing in listings:
        info = listing.info
        if info is None:
            state, advice = ("missing", f"; install it with: {listing.install}") if listing.install else ("broken", "")
            table.add_row(listing.name, f"[yellow]{state}[/]", "", "", "", "", escape(f"{listing.reason}{advice}"))
            continue
        table.add_row(
            listing.name,
            info.version,
            _yes_or_no(info.exact),
            _yes_or_no(info.weighted),
            _yes_or_no(info.parallel),
            info.device,
            escape(info.summary),
        )
    console = Console(highlight=False)
    console.print(table)
    for listing in listings:
        if listing.info is not None and listing.info.note:
            console.print(f"\n[bold]{listing.name}[/]: {escape(listing.info.note)}.")
    named = [listing.name for listing in listings if not listing.by_default]
    if named:
        console.print(f"\nA comparison runs {', '.join(named)} only if --adapters names them.")


def _yes_or_no(value: bool) -> str:
    return "yes" if value else "no"
