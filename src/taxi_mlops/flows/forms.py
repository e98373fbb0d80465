"""Turn the parameters of a document into the form of a deployment: the signature and docstring that Prefect reads."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import TypeAdapter, WithJsonSchema

from taxi_mlops.errors import TaxiError
from taxi_mlops.parameters import Parameter, Section, parameters_of, with_signature, without_flags

R = TypeVar("R")

_ARGUMENTS = "Args:\n"


def form(document: type[Section], without: Collection[str] = ()) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Give a flow a parameter for each parameter of a document; it receives them as a mapping, its first argument.

    without: names of those that it does not take.

    The flow's docstring describes its own parameters under `Args:`; those of the document go before them.
    """

    def decorate(flow: Callable[..., R]) -> Callable[..., R]:
        parameters = parameters_of(document, without)

        @functools.wraps(flow)
        def with_none(given: dict[str, Any], **own: Any) -> R:  # noqa: ANN401 - of any types
            try:
                return flow({name: _meant(parameters[name], value) for name, value in given.items()}, **own)
            except TaxiError as error:
                error.args = (without_flags(str(error), parameters),)
                raise

        changed = with_signature(with_none, map(_field, parameters.values()))
        before, found, own = (inspect.getdoc(flow) or "").partition(_ARGUMENTS)
        before += "" if found else "\n\n"
        described = "".join(f"    {one.name}: {_description(one)}\n" for one in parameters.values())
        changed.__doc__ = f"{before}{_ARGUMENTS}{described}{own}"
        return changed

    return decorate


def values_from_text(document: type[Section], texts: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of fields as JSON has them, from the text that the command line takes.

    Raises UsageError as `Section.with_parameters` does.
    """
    parameters = parameters_of(document)
    document().with_parameters({name: _meant(parameters[name], text) for name, text in texts.items()})
    return {name: _value(parameters[name], text) for name, text in texts.items()}


def _value(parameter: Parameter, text: str) -> Any:  # noqa: ANN401 - of any type
    empty = _field(parameter).default
    if parameter.default is None and (not text or isinstance(empty, str)):
        return text or empty
    adapter = TypeAdapter(parameter.annotation)
    return adapter.dump_python(adapter.validate_python(text), mode="json")


def _field(parameter: Parameter) -> inspect.Parameter:
    """Return a field that always holds a value: for a None, Prefect's pages would ask to create a value first.

    An empty text or list then stands for None. Numbers have no such value, and stay nullable. The type is Any, since
    the document validates its values itself.
    """
    schema, default = parameter.json_schema(), parameter.default
    if isinstance(default, tuple):
        default = list(default)
    elif default is None:
        types = [one for one in schema["anyOf"] if one != {"type": "null"}]
        if len(types) > 1 or types[0]["type"] == "string":
            default, schema = "", {"type": "string"}
        elif types[0]["type"] == "array":
            default, schema = [], {"type": "array", "items": types[0]["items"]}
    annotation = Annotated[Any, WithJsonSchema(schema)]
    return inspect.Parameter(parameter.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _meant(parameter: Parameter, value: object) -> object:
    return None if parameter.default is None and value in ("", []) else value


def _description(parameter: Parameter) -> str:
    default = parameter.named.default
    return parameter.description + (f" Empty: {default}." if default else "")
