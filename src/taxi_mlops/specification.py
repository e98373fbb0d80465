"""The specification of a comparison as one validated document.

TOML and YAML files have the same keys. Keys that are left out have the defaults shown here; the specification that a
run writes has every choice filled in, so that running it again repeats the run.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, PlainValidator, WithJsonSchema, field_serializer
from pydantic_core import PydanticCustomError

from taxi_mlops.data.request import DatasetParameters, LoadRequest, Seed
from taxi_mlops.errors import UsageError
from taxi_mlops.parameters import COMMA_SEPARATED, Named, Section, validate

if TYPE_CHECKING:
    from taxi_mlops.domain import Parameters

MAX_SPECIFICATION_BYTES = 1_000_000

AUTO: Literal["auto"] = "auto"
MIN_EPS_METRES = 1e-6
"""Below it, the rounding of coordinates to float64 decides what is within eps. The engine rejects it, too."""
MAX_EPS_METRES = 20_015_114.0
"""Half the circumference of the earth, in whole metres: no two points are farther apart."""
MIN_MEMORY_LIMIT = 100_000_000
"""An interpreter with numpy and one implementation needs more."""


def _metres_or_auto(value: object) -> float | Literal["auto"]:
    if value == AUTO:
        return AUTO
    try:
        metres = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except ValueError:
        metres = math.nan
    if not MIN_EPS_METRES <= metres <= MAX_EPS_METRES:
        raise PydanticCustomError(
            "eps",
            "Input should be metres from 0.000001 to 20015114 (half the circumference of the earth), or auto",
        )
    return metres


Metres = Annotated[float, Field(ge=MIN_EPS_METRES, le=MAX_EPS_METRES, description="Great-circle radius in metres.")]
Eps = Annotated[
    float | Literal["auto"], PlainValidator(_metres_or_auto, json_schema_input_type=Metres | Literal["auto"])
]
MinSamples = Annotated[int, Field(ge=1, description="Points within eps, the point itself among them.")]


class ClusteringParameters(Section):
    """The parameters of DBSCAN."""

    eps_metres: Annotated[Eps, Named("eps", "METRES")] = Field(
        default=100.0, description='Great-circle radius in metres; "auto" takes the knee of the k-distance curve.'
    )
    min_samples: Annotated[MinSamples, Named("min_samples", "N")] = 10

    def to_domain(self) -> Parameters:
        """Return the parameters. Raises ValueError if eps has not been chosen yet."""
        from taxi_mlops.domain import Parameters

        if isinstance(self.eps_metres, str):
            raise ValueError("eps has not been chosen from the points yet")  # noqa: TRY004 - of the right type
        return Parameters(self.eps_metres, self.min_samples)


AdapterName = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]

AdapterFile = Annotated[str, Field(max_length=4096, pattern=r"\.toml$|^[a-z0-9][a-z0-9-]*$")]


ALL: Literal["all"] = "all"


def _size_or_all(value: object) -> int | Literal["all"]:
    if value == ALL:
        return ALL
    try:
        size = int(value) if isinstance(value, int | str) and not isinstance(value, bool) else 0
    except ValueError:
        size = 0
    if size < 1:
        raise PydanticCustomError("size", "Input should be a number of points above 0, or all")
    return size


_Count = Annotated[int, Field(ge=1)]
Size = Annotated[int | Literal["all"], PlainValidator(_size_or_all, json_schema_input_type=_Count | Literal["all"])]
Sizes = Annotated[
    tuple[Size, ...],
    COMMA_SEPARATED,
    Field(description='Seeded samples of so many points, each part of the next; "all" for all of them.'),
    Named("sizes", "N,M,…", "all"),
]


class FixedParameters(Section):
    """Another pair of parameters."""

    eps_metres: Metres
    min_samples: MinSamples


class Workloads(Section):
    """Several workloads in one comparison. The largest size, with the parameters above, is the main one."""

    sizes: Sizes = ()
    parameters: tuple[FixedParameters, ...] = Field(
        default=(), description="Further pairs of parameters, each run on the largest size."
    )


Repeats = Annotated[
    int,
    Field(ge=0, le=1000, description="Timed trials of each adapter; 0 times nothing: quality and memory alone."),
    Named("repeats", "N"),
]


def _bytes_of_share(value: object) -> object:
    """Convert a share of this machine's memory, as 50%, to bytes; leave every other value to `ByteSize`."""
    if not (isinstance(value, str) and value.rstrip().endswith("%")):
        return value
    from taxi_mlops.limits import usable_memory

    try:
        share = float(value.rstrip().removesuffix("%")) / 100.0
    except ValueError:
        share = math.nan
    if not 0.0 < share <= 1.0:
        raise PydanticCustomError(
            "share", "Input should be a share of the machine's memory above 0% and up to 100%, or a size as 8GB"
        )
    return int(share * usable_memory())


def _check_memory_limit(value: ByteSize) -> ByteSize:
    if value < MIN_MEMORY_LIMIT:
        raise PydanticCustomError(
            "memory_limit",
            "Input should be 100MB or more (a trial's interpreter and libraries take as much), or as 50%",
        )
    return value


MemoryBytes = Annotated[
    ByteSize,
    BeforeValidator(_bytes_of_share),
    AfterValidator(_check_memory_limit),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": MIN_MEMORY_LIMIT}, {"type": "string"}]}),
]


class TrialPlan(Section):
    """The adapters, the number of repeats, and the limits of trials."""

    adapters: Annotated[tuple[AdapterName, ...] | None, COMMA_SEPARATED, Named("adapters", "A,B,…", "all")] = Field(
        default=None, min_length=1, description="Adapters to compare."
    )
    adapter_file: Annotated[tuple[AdapterFile, ...], COMMA_SEPARATED, Named("adapter_file", "FILE,…", "none")] = Field(
        default=(), max_length=20, description="Programs in other languages: TOML files, or names that are shipped."
    )
    reference: Annotated[AdapterName | None, Named("reference", "NAME", "sklearn, or the first exact one")] = Field(
        default=None, description="Adapter whose clustering the others are compared with."
    )
    repeats: Repeats = 5
    timeout_seconds: Annotated[float, Named("timeout", "S")] = Field(
        default=600.0, gt=0, description="Time limit of a trial in seconds, from start to end."
    )
    memory_limit: Annotated[MemoryBytes | None, Named("memory_limit", "SIZE", "75 % of the machine's")] = Field(
        default=None, description="Memory limit of a trial, as 8GB or 50%."
    )
    threads: Annotated[int | None, Named("threads", "N", "all CPUs")] = Field(
        default=None, ge=1, description="Threads of each trial."
    )
    seed: Seed = 0

    @field_serializer("memory_limit")
    def _bytes(self, value: ByteSize | None) -> int | None:
        return None if value is None else int(value)


class Document(Section):
    """A whole experiment, read from a file and written to one."""

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a TOML (.toml) or YAML (.yaml, .yml) file. Raises UsageError naming the key and the value."""
        return validate(cls, _parse(path), str(path))

    def to_toml(self) -> str:
        import tomli_w

        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))


class Specification(Document):
    """One comparison: data, parameters, further workloads, trials."""

    schema_version: Literal[1] = 1
    dataset: LoadRequest = Field(default_factory=LoadRequest)
    fingerprint: str | None = Field(
        default=None, pattern=r"^[0-9a-f]{64}$", description="Of the points; a run refuses data with another one."
    )
    parameters: ClusteringParameters = Field(default_factory=ClusteringParameters)
    workloads: Workloads = Field(default_factory=Workloads)
    trials: TrialPlan = Field(default_factory=TrialPlan)


class ComparisonParameters(DatasetParameters, total=False):
    """The parameters of a comparison as keywords, for type checkers and editors; a test keeps them complete."""

    eps: float | Literal["auto"]
    min_samples: int
    sizes: Sequence[int | Literal["all"]] | str
    adapters: Sequence[str] | str | None
    adapter_file: Sequence[str] | str
    reference: str | None
    repeats: int
    timeout: float
    memory_limit: int | str | None
    threads: int | None


def _parse(path: Path) -> object:
    try:
        if path.stat().st_size > MAX_SPECIFICATION_BYTES:
            raise UsageError(f"{path} is larger than a specification can be ({MAX_SPECIFICATION_BYTES:,} bytes)")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the specification {path}: {error}") from None
    match path.suffix.lower():
        case ".toml":
            try:
                return tomllib.loads(text)
            except tomllib.TOMLDecodeError as error:
                raise UsageError(f"{path} is not TOML: {error}") from None
        case ".yaml" | ".yml":
            import yaml

            try:
                return yaml.safe_load(text)
            except yaml.YAMLError as error:
                raise UsageError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
        case suffix:
            raise UsageError(f"{path}: a specification ends in .toml, .yaml or .yml, not {suffix!r}")
