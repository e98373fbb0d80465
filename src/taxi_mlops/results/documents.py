"""The base class of JSON documents of a run, and how they are written and read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from taxi_mlops.errors import RunFolderError
from taxi_mlops.parameters import validate

Model = TypeVar("Model", bound=BaseModel)


class ResultDocument(BaseModel):
    """A document of results, or a part of one."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)


def to_json(document: BaseModel) -> str:
    """Return indented JSON with a final newline. NaN and infinity are refused, since they are not JSON."""
    values: Any = document.model_dump(mode="json")
    return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_document(model: type[Model], path: Path, advice: str = "") -> Model | None:
    """Read a document; None if the file does not exist. advice: what to do if it is broken, if anything.

    Raises RunFolderError if it is not JSON, UsageError if it is another document.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise RunFolderError(f"{path} is broken ({error}){advice and f'; {advice}'}") from None
    return validate(model, values, str(path))
