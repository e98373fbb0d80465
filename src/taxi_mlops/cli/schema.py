"""`taxi schema`: the JSON Schema of a document that taxi reads or writes."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Document(StrEnum):
    """Documents with a schema."""

    COMPARISON = "comparison"
    SPECIFICATION = "specification"
    JOURNAL = "journal"
    SWEEP = "sweep"
    SWEEP_RESULT = "sweep-result"


def schema(
    name: Annotated[
        Document, typer.Argument(metavar="NAME", help="comparison, specification, journal, sweep or sweep-result.")
    ],
) -> None:
    """Print the JSON Schema of comparison.json, sweep.json, what they are asked by, or of a line of the journal."""
    import json

    from taxi_mlops.recording.comparison import Comparison
    from taxi_mlops.recording.journal import RECORD
    from taxi_mlops.recording.sweep_result import SweepResult
    from taxi_mlops.specification import Specification
    from taxi_mlops.sweep import Sweep

    match name:
        case Document.COMPARISON:
            document = Comparison.model_json_schema(mode="serialization")
        case Document.SPECIFICATION:
            document = Specification.model_json_schema()
        case Document.JOURNAL:
            document = RECORD.json_schema(mode="serialization")
        case Document.SWEEP:
            document = Sweep.model_json_schema()
        case Document.SWEEP_RESULT:
            document = SweepResult.model_json_schema(mode="serialization")
    typer.echo(json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **document}, indent=2))
