"""The whole experiment as one validated document: share it, rerun it.

TOML and YAML files hold the same keys. What is left out takes the defaults shown here; the specification that a run
writes has every choice filled in, so that running it again repeats the run.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self, TypedDict, Unpack

from pydantic import ByteSize, Field, PlainValidator, WithJsonSchema, field_serializer
from pydantic_core import PydanticCustomError

from taxi_mlops.data.request import LoadRequest, Seed
from taxi_mlops.data.schemas import TripEnd
from taxi_mlops.errors import UsageError
from taxi_mlops.parameters import COMMA_SEPARATED, Named, Section, validate

if TYPE_CHECKING:
    from taxi_mlops.domain import Parameters

MAX_SPECIFICATION_BYTES = 1_000_000

AUTO: Literal["auto"] = "auto"
_HALF_CIRCUMFERENCE_METRES = 20_015_115.0


def _metres_or_auto(value: object) -> float | Literal["auto"]:
    if value == AUTO:
        return AUTO
    try:
        metres = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except ValueError:
        metres = math.nan
    if not 0.0 < metres < _HALF_CIRCUMFERENCE_METRES:
        raise PydanticCustomError("eps", "Input should be a positive number of metres, or auto")
    return metres


Metres = Annotated[float, Field(gt=0.0, lt=_HALF_CIRCUMFERENCE_METRES, description="Great-circle radius in metres.")]
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
        """Raises ValueError where eps is still to be chosen."""
        from taxi_mlops.domain import Parameters

        if isinstance(self.eps_metres, str):
            raise ValueError("eps is still to be chosen from the points")  # noqa: TRY004 - of the right type
        return Parameters(self.eps_metres, self.min_samples)


AdapterName = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


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
_Bytes = Annotated[
    ByteSize, Field(gt=0), WithJsonSchema({"anyOf": [{"type": "integer", "exclusiveMinimum": 0}, {"type": "string"}]})
]


class TrialPlan(Section):
    """Which adapters are run, how often, and within which limits."""

    adapters: Annotated[tuple[AdapterName, ...] | None, COMMA_SEPARATED, Named("adapters", "A,B,…", "all")] = Field(
        default=None, min_length=1, description="Adapters to compare."
    )
    reference: Annotated[AdapterName | None, Named("reference", "NAME", "sklearn, or the first exact one")] = Field(
        default=None, description="Adapter whose clustering the others are held against."
    )
    repeats: Repeats = 5
    timeout_seconds: Annotated[float, Named("timeout", "S")] = Field(
        default=600.0, gt=0, description="Seconds that a trial may take, start to end."
    )
    memory_limit: Annotated[_Bytes | None, Named("memory_limit", "SIZE", "75 % of the machine's")] = Field(
        default=None, description="Memory that a trial may use, as 8GB."
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
        default=None, pattern=r"^[0-9a-f]{64}$", description="Of the points; a run refuses data that gives another one."
    )
    parameters: ClusteringParameters = Field(default_factory=ClusteringParameters)
    workloads: Workloads = Field(default_factory=Workloads)
    trials: TrialPlan = Field(default_factory=TrialPlan)


class ComparisonParameters(TypedDict, total=False):
    """The parameters of a comparison as keywords, for type checkers and editors; a test keeps them complete."""

    data: str | None
    points: TripEnd
    lat: str | None
    lon: str | None
    zones: str | None
    bbox: tuple[float, float, float, float] | str | None
    sample: int | None
    eps: float | Literal["auto"]
    min_samples: int
    sizes: Sequence[int | Literal["all"]] | str
    adapters: Sequence[str] | str | None
    reference: str | None
    repeats: int
    timeout: float
    memory_limit: int | str | None
    threads: int | None
    seed: int


def specification_from(**parameters: Unpack[ComparisonParameters]) -> Specification:
    """Return the specification with these parameters and the defaults of all others.

    Raises UsageError that names the parameter and the value, and for an unknown name the nearest known one.
    """
    return Specification().with_parameters(parameters)


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
