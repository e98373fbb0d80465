"""Generate the reference page of parameters, docs/reference/parameters.md, from their declarations."""

from __future__ import annotations

from typing import Any

from taxi_mlops.clustering import Cluster, Prediction
from taxi_mlops.parameters import Parameter, Section, parameters_of
from taxi_mlops.specification import Specification
from taxi_mlops.sweep import Sweep
from taxi_mlops.training import AbStart, Promotion, Train, Tune

_HEAD = """\
# Parameters

Made by `taxi parameters`; a test checks that it is current.

Each parameter has one name, one default and the same bounds wherever it is given: `--min-samples 5` on the command
line, `min_samples=5` in Python and for `taxi run`, and the field `min_samples` in a deployment's form. A document
(`--spec`, TOML or YAML) holds it under the key of the second column. Lists are written `a,b` on the command line.
"""
_COLUMNS = """
| parameter | in the document | meaning | values | default |
| --- | --- | --- | --- | --- |
"""
_DOCUMENTS: tuple[tuple[str, type[Section]], ...] = (
    ("A comparison", Specification),
    ("A sweep", Sweep),
    ("One clustering", Cluster),
    ("A prediction", Prediction),
    ("A tuning", Tune),
    ("A training", Train),
    ("A promotion", Promotion),
    ("An A/B test", AbStart),
)
_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def markdown() -> str:
    """Return the page."""
    return _HEAD + "".join(f"\n## {title}\n{_table(document)}" for title, document in _DOCUMENTS)


def _table(document: type[Section]) -> str:
    return _COLUMNS + "".join(_row(parameter) for parameter in parameters_of(document).values())


def _row(parameter: Parameter) -> str:
    keys = ", ".join(f"`{'.'.join(place)}`" for place in parameter.places)
    cells = (
        f"`{parameter.name}`",
        keys,
        parameter.description,
        values_text(parameter.json_schema()),
        parameter.default_text,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def values_text(schema: dict[str, Any]) -> str:
    """Return the values that a JSON schema allows, in words."""
    if "anyOf" in schema:
        return ", or ".join(values_text(one) for one in schema["anyOf"] if one != {"type": "null"})
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if schema["type"] == "array":
        count = f" of {schema['maxItems']}" if "maxItems" in schema else ""
        return f"list{count}: {values_text(schema['items'])}"
    kind = {"string": "text"}.get(schema["type"], schema["type"])
    limits = [f"{sign} {_number(schema[key])}" for key, sign in _BOUNDS.items() if key in schema]
    return f"{kind} {' and '.join(limits)}".strip()


def _number(value: float) -> str:
    return f"{value:,f}".rstrip("0").rstrip(".") if isinstance(value, float) else f"{value:,}"
