"""The file that describes a program in any language: an adapter without a line of Python.

`taxi compare --adapter-file mine.toml` runs it; docs/how-to/add-an-implementation-in-any-language.md has the protocol.
"""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, StrictBool, model_validator

from taxi_mlops.errors import UsageError
from taxi_mlops.parameters import Section, validate

MAX_FILE_BYTES = 100_000

Text = Annotated[str, Field(max_length=1_000)]
Words = Annotated[tuple[Annotated[str, Field(max_length=4_096)], ...], Field(min_length=1, max_length=100)]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class ProgramFile(Section):
    """A program that clusters, as its TOML file describes it.

    command: the words that start it in the folder of the file; no shell reads them. build: commands that install what
    it needs into that folder, which `taxi adapters install` runs. shared: a folder whose files are copied beside those
    of a program that comes with the package. sha256: of files that the build fetches, by name. license: of the
    implementation. distance: how the program measures; shown, never relied on. start_seconds: how long it may take to
    say hello.
    """

    schema_version: Literal[1] = 1
    name: Name
    summary: Annotated[Text, Field(min_length=1)]
    command: Words
    install: Annotated[Text, Field(min_length=1)]
    exact: StrictBool
    weighted: StrictBool = False
    parallel: StrictBool = False
    distance: Literal["great_circle", "chord", "projection"] = "great_circle"
    homepage: Text = ""
    license: Text = ""
    note: Text = ""
    build: Annotated[tuple[Words, ...], Field(max_length=20)] = ()
    shared: Name | None = None
    sha256: dict[Name, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]] = Field(default_factory=dict, max_length=100)
    start_seconds: Annotated[float, Field(gt=0, le=600)] = 60.0

    @model_validator(mode="after")
    def _says_how_it_differs(self) -> Self:
        if not self.exact and not self.note:
            raise ValueError("a program with exact = false says in note how it differs from DBSCAN")
        return self


def read_program_file(path: Path) -> ProgramFile:
    """Read and validate a TOML file. Raises UsageError naming the key and the value."""
    try:
        if not path.is_file():
            raise UsageError(f"there is no adapter file {path}")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise UsageError(f"{path} is larger than an adapter file can be ({MAX_FILE_BYTES:,} bytes)")
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the adapter file {path}: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not TOML: {error}") from None
    return validate(ProgramFile, values, str(path))


def missing_command(command: tuple[str, ...], folder: Path) -> str | None:
    """Return which program the command lacks, or None. Starts nothing."""
    first = command[0]
    if "/" in first:
        return None if (folder / first).is_file() else f"there is no program {first} in {folder}"
    return None if shutil.which(first) else f"program {first} is not installed"
