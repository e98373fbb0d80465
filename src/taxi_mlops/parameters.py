"""Parameters: fields of a document that the command line, the Python API and the forms of deployments all offer.

A field is a parameter if its annotation holds `Named`. Its type, bounds, default and description are the field's own:
each parameter is declared once, in `specification.py`, `sweep.py`, `clustering.py` or `data/request.py`.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError

from taxi_mlops.errors import UnknownParameterError, UsageError

Model = TypeVar("Model", bound=BaseModel)
R = TypeVar("R")
Place = tuple[str, ...]
"""The keys that lead to a field of a document."""


@dataclass(frozen=True, slots=True)
class Named:
    """Makes a field a parameter.

    metavar: the placeholder of the value in the help of the command line.
    default: what leaving it out means, if the field's own default does not say it.
    positional: whether the command line takes it without a flag.
    """

    name: str
    metavar: str
    default: str = ""
    positional: bool = False


@dataclass(frozen=True, slots=True)
class Without:
    """On a section of a document: names that are not parameters there."""

    names: frozenset[str]

    def __init__(self, *names: str) -> None:
        object.__setattr__(self, "names", frozenset(names))


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a document.

    annotation: its type, with bounds and the validators that read it from text.
    places: the fields that it sets; several if they must be equal, as the seeds.
    """

    named: Named
    annotation: Any
    default: Any
    description: str
    places: tuple[Place, ...]

    @property
    def name(self) -> str:
        return self.named.name

    @property
    def default_text(self) -> str:
        """The default in words or as a value; empty if there is none."""
        if self.named.default or self.default is None:
            return self.named.default
        if isinstance(self.default, tuple):
            return ",".join(map(str, self.default))
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)

    def json_schema(self) -> dict[str, Any]:
        """The JSON schema of a value, including its bounds."""
        return TypeAdapter(self.annotation).json_schema()


def parameters_of(model: type[BaseModel], without: Collection[str] = ()) -> dict[str, Parameter]:
    """Return the parameters of a document by name, in the order of its fields; of several places the last counts."""
    found: dict[str, Parameter] = {}
    for parameter in _declared(model):
        if parameter.name not in without:
            earlier = found.pop(parameter.name, None)
            places = (*earlier.places, *parameter.places) if earlier else parameter.places
            found[parameter.name] = replace(parameter, places=places)
    return found


def _declared(model: type[BaseModel]) -> Iterator[Parameter]:
    for key, field in model.model_fields.items():
        hidden = {name for one in field.metadata if isinstance(one, Without) for name in one.names}
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            for inner in _declared(field.annotation):
                if inner.name not in hidden:
                    yield replace(inner, places=tuple((key, *place) for place in inner.places))
        for named in field.metadata:
            if isinstance(named, Named):
                yield Parameter(
                    named,
                    Annotated[(field.annotation, *field.metadata)],
                    field.get_default(call_default_factory=True),
                    field.description or "",
                    ((key,),),
                )


def _say_defaults(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Add the meaning of null to the descriptions in the JSON schema."""
    for parameter in _declared(model):
        [(key, *inner)] = parameter.places
        if not inner and parameter.default is None and parameter.named.default:
            schema["properties"][key]["description"] += f" Default: {parameter.named.default}."


class Section(BaseModel):
    """A document or a part of one; unknown keys are rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=_say_defaults)

    def with_parameters(
        self, given: Mapping[str, object], spelled: Callable[[str], str] = str, without: Collection[str] = ()
    ) -> Self:
        """Return a copy with the values of the given parameters; None keeps the current value.

        Values are of the parameters' types, or the text that the command line takes for them.

        spelled: how the user writes the name of a parameter, for errors.
        without: names that are not parameters here.

        Raises UsageError that names the parameter and the value, and for an unknown name the nearest known one.
        """
        parameters = parameters_of(type(self), without)
        check_known(given, parameters, keys_of(parameters), spelled)
        document = self.model_dump(mode="python")
        names: dict[Place, str] = {}
        for name, value in given.items():
            if value is not None:
                for place in parameters[name].places:
                    section = document
                    for key in place[:-1]:
                        section = section[key]
                    section[place[-1]] = value
                    names[place] = spelled(name)
        return validate(type(self), document, names=names)


def check_known(
    given: Iterable[str],
    known: Collection[str],
    keys: Mapping[str, str] | None = None,
    spelled: Callable[[str], str] = str,
) -> None:
    """Raise UnknownParameterError for a name that is not known, with the nearest one that is.

    keys: other names of known parameters, as `keys_of` returns them.
    """
    words = {**(keys or {}), **{name: name for name in known}}
    for name in given:
        if name not in known:
            alike = [word for word in words if word.startswith(name) or name.startswith(word)]
            nearest = alike or difflib.get_close_matches(name, words, n=1)
            advice = (
                f"did you mean {spelled(words[nearest[0]])!r}?"
                if nearest
                else f"available: {', '.join(map(spelled, known))}"
            )
            raise UnknownParameterError(f"there is no parameter {spelled(name)!r}; {advice}")


def keys_of(parameters: Mapping[str, Parameter]) -> dict[str, str]:
    """Return the names of parameters by the keys that documents have for them."""
    return {place[-1]: name for name, parameter in parameters.items() for place in parameter.places}


def without_flags(message: str, names: Collection[str]) -> str:
    """Return a message for callers from Python or a form: with names of parameters instead of flags."""

    def name_of(flag: re.Match[str]) -> str:
        name = flag[1].replace("-", "_")
        return name if name in names else flag[0]

    return re.sub(r"--([a-z][a-z-]*)", name_of, message)


def validate(model: type[Model], document: object, source: str = "", names: Mapping[Place, str] | None = None) -> Model:
    """Validate a document against its model.

    names: the user's names of the fields that a parameter has set.

    Raises UsageError naming the source, the field and the value.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = tuple(str(part) for part in first["loc"])
        called = next((name for at, name in (names or {}).items() if place[: len(at)] == at), ".".join(place))
        where = f"{source}: " if source else ""
        whole = not called and isinstance(first["input"], Mapping)  # a rule over several fields, which names them
        what = "" if whole else f"{called or 'the document'} = {first['input']!r}: "
        raise UsageError(f"{where}{what}{first['msg']}") from None


def with_signature(function: Callable[..., R], parameters: Iterable[inspect.Parameter]) -> Callable[..., R]:
    """Make a function whose first argument is a mapping accept these parameters by name instead.

    Typer and Prefect read the signature, and create options and fields of a form from it.
    """
    _mapping, *own = inspect.signature(function, eval_str=True).parameters.values()
    taken = [*parameters, *own]
    names = {one.name for one in taken} - {one.name for one in own}

    @functools.wraps(function)
    def wrapper(**values: Any) -> R:  # noqa: ANN401 - of any types
        mapping = {name: values.pop(name) for name in tuple(values) if name in names}
        return function(mapping, **values)

    keyword = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in taken]
    wrapper.__signature__ = inspect.Signature(keyword)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {one.name: one.annotation for one in taken}
    return wrapper


def _split(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (value,)
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return tuple(part.strip() for part in value.split(","))


COMMA_SEPARATED = BeforeValidator(_split)
"""Reads a list also from the text `a,b`, from JSON, and from a single number."""
