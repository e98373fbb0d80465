"""`taxi doctor`: check whether this machine is fit for measuring."""

from __future__ import annotations

import typer

from taxi_mlops.cli.options import Json
from taxi_mlops.cli.printing import print_json


def doctor(json: Json = False) -> None:
    """Check this machine and its settings, with advice on what is wrong."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from taxi_mlops.health.diagnosis import Finding, Health, diagnose
    from taxi_mlops.settings import load_settings

    findings = diagnose(load_settings())
    if json:
        print_json(tuple[Finding, ...], findings)
    else:
        colours = {Health.OK: "green", Health.WARNING: "yellow", Health.PROBLEM: "red"}
        table = Table(box=None, pad_edge=False, show_header=False)
        for finding in findings:
            advice = f"\n{finding.advice}" if finding.advice and finding.health is not Health.OK else ""
            state = f"[{colours[finding.health]}]{finding.health}[/]"
            table.add_row(state, finding.name, escape(f"{finding.found}{advice}"))
        Console(highlight=False).print(table)
    if any(finding.health is Health.PROBLEM for finding in findings):
        raise typer.Exit(1)
