"""Make keyword arguments from the declaration of parameters: signature, docstring, and errors in their names."""

from __future__ import annotations

import functools
import inspect
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar, get_args, get_type_hints

import numpy as np

from taxi_mlops.errors import TaxiError
from taxi_mlops.parameters import Section, parameters_of

P = ParamSpec("P")
R = TypeVar("R")

_QUOTED = r"""'[^']*'|"[^"]*\""""
_FLAG = re.compile(rf"--(?P<name>[a-z][a-z-]*)(?:=(?P<given>[^\s;)]+)|\s(?P<value>{_QUOTED}|[^\s,;)]*[^\s.,;:)]))?")
_NO_VALUES = frozenset(
    ["and", "cannot", "for", "goes", "in", "is", "name", "names", "need", "needs", "or", "says", "so", "to", "which"]
)
"""The words after a text flag that a message names without a value."""


def takes_keywords(document: type[Section], keywords: type) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Describe a function's `**keywords` as parameters of a document, in its signature and in its docstring.

    keywords: the TypedDict that the function unpacks. Parameters are described after those of the function itself, in
    the section `Parameters`. Errors that the function raises call parameters by their names, not as flags.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        types = get_type_hints(keywords)
        declared = [parameter for name, parameter in parameters_of(document).items() if name in types]
        signature = inspect.signature(function)
        own = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
        taken = [
            inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=types[one.name])
            for one in declared
        ]

        @functools.wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except TaxiError as error:
                error.args = (in_keywords(str(error), types),)
                raise

        wrapper.__signature__ = signature.replace(parameters=[*own, *taken])  # type: ignore[attr-defined]
        described = "".join(f"{one.name} : {_default(one.default_text)}\n    {one.description}\n" for one in declared)
        before, heading, after = (inspect.getdoc(function) or "").partition("\nReturns\n")
        wrapper.__doc__ = f"{before.rstrip()}\n{described}{heading}{after}"
        return wrapper

    return decorate


def in_keywords(message: str, types: Mapping[str, object]) -> str:
    """Write a message for callers from Python: `--lat north --lon 3` becomes `lat="north", lon="3"`, `--lat` `lat`.

    types: of the parameters, by name. Flags of other names stay as they are.
    """

    def written(found: re.Match[str]) -> str:
        name, value = found["name"].replace("-", "_"), found["given"] or found["value"]
        if name not in types:
            return found[0]
        of_numbers = not {int, float}.isdisjoint((types[name], *get_args(types[name])))
        if value is None or (not value.isdecimal() if of_numbers else value in _NO_VALUES):
            return found[0].replace(f"--{found['name']}", name)
        return f"{name}={value}" if of_numbers or value[0] in "'\"" else f'{name}="{value}"'

    return re.sub(rf"(=(?:{_QUOTED}|\S+))(?= (?:{'|'.join(types)})=)", r"\1,", _FLAG.sub(written, message))


def plain_values(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments with paths as text, and numbers of numpy as Python's."""
    return {name: _plain(value) for name, value in keywords.items()}


def _plain(value: Any) -> Any:  # noqa: ANN401 - of any type
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value.item() if isinstance(value, np.generic) else value


def _default(text: str) -> str:
    return f"default: {text}" if text else "optional"
