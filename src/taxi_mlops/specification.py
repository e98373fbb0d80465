"""The whole experiment as one validated document: share it, rerun it.

TOML and YAML files hold the same keys. What is left out takes the defaults shown here; the specification that a run
writes has every choice filled in, so that running it again repeats the run.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ByteSize, ConfigDict, Field, PlainValidator, ValidationError, field_serializer
from pydantic_core import PydanticCustomError

from taxi_mlops.data.load import LoadRequest
from taxi_mlops.domain import Parameters
from taxi_mlops.errors import UsageError

MAX_SPECIFICATION_BYTES = 1_000_000

Model = TypeVar("Model", bound=BaseModel)


class Section(BaseModel):
    """A part of a document; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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


Metres = Annotated[float, Field(gt=0.0, lt=_HALF_CIRCUMFERENCE_METRES)]
Eps = Annotated[
    float | Literal["auto"], PlainValidator(_metres_or_auto, json_schema_input_type=float | Literal["auto"])
]


class ClusteringParameters(Section):
    """The parameters of DBSCAN."""

    eps_metres: Eps = Field(
        default=100.0, description='Great-circle radius in metres; "auto" takes the knee of the k-distance curve.'
    )
    min_samples: int = Field(default=10, ge=1, description="Points within eps, the point itself among them.")

    def to_domain(self) -> Parameters:
        """Raises ValueError where eps is still to be chosen."""
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


Size = Annotated[int | Literal["all"], PlainValidator(_size_or_all, json_schema_input_type=int | Literal["all"])]


class FixedParameters(Section):
    """Another pair of parameters."""

    eps_metres: float = Field(gt=0, lt=_HALF_CIRCUMFERENCE_METRES, description="Great-circle radius in metres.")
    min_samples: int = Field(ge=1, description="Points within eps, the point itself among them.")


class Workloads(Section):
    """Several workloads in one comparison. The largest size, with the parameters above, is the main one."""

    sizes: tuple[Size, ...] = Field(
        default=(), description='Samples of the points, each part of the next; "all" for all of them.'
    )
    parameters: tuple[FixedParameters, ...] = Field(
        default=(), description="Further pairs of parameters, each run on the largest size."
    )


class TrialPlan(Section):
    """Which adapters are run, how often, and within which limits."""

    adapters: tuple[AdapterName, ...] | None = Field(
        default=None, min_length=1, description="Adapters to compare; none given takes all that are installed."
    )
    reference: AdapterName | None = Field(
        default=None,
        description="Whose clustering the others are held against; none given takes sklearn, or the first exact one.",
    )
    repeats: int = Field(
        default=5, ge=0, le=1000, description="Timed trials of each adapter; 0 times nothing: quality and memory alone."
    )
    timeout_seconds: float = Field(default=600.0, gt=0, description="Longest a trial may take, start to end.")
    memory_limit: ByteSize | None = Field(default=None, gt=0, description='Most a trial may use, e.g. "8GB".')
    threads: int | None = Field(default=None, ge=1, description="Threads of each trial; none given takes all CPUs.")
    seed: int = Field(default=0, ge=0, lt=2**63, description="Of the order of trials and of every resampling.")

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

    def merged(self, changes: Mapping[str, Mapping[str, Any]], flags: Mapping[str, str] = MappingProxyType({})) -> Self:
        """A copy with the given keys of each section replaced; what is None stays.

        flags: what the user calls a key, by `section.key`. Raises UsageError that names it with its value.
        """
        document = self.model_dump(mode="python")
        for section, values in changes.items():
            document[section].update({key: value for key, value in values.items() if value is not None})
        return validate(type(self), document, "", flags)


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


def validate(
    model: type[Model], document: object, source: str, names: Mapping[str, str] = MappingProxyType({})
) -> Model:
    """Check a document against its model.

    Raises UsageError naming the source, the key (as the user calls it, where `names` tells) and the value.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the document"
        where = f"{source}: " if source else ""
        raise UsageError(f"{where}{names.get(key, key)} = {first['input']!r}: {first['msg']}") from None


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
