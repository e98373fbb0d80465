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


def schema(
    name: Annotated[Document, typer.Argument(metavar="NAME", help="comparison, specification or journal.")],
) -> None:
    """Print the JSON Schema of comparison.json, of a specification, or of a line of the journal."""
    import json

    from taxi_mlops.recording.comparison import Comparison
    from taxi_mlops.recording.journal import RECORD
    from taxi_mlops.specification import Specification

    match name:
        case Document.COMPARISON:
            document = Comparison.model_json_schema(mode="serialization")
        case Document.SPECIFICATION:
            document = Specification.model_json_schema()
        case Document.JOURNAL:
            document = RECORD.json_schema(mode="serialization")
    typer.echo(json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **document}, indent=2))
