"""Write the parts of the reference that are generated: the commands, the alerts and the JSON Schemas.

Sphinx calls `write` before it reads its sources (see conf.py); the pages of docs/reference include the results.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from taxi_mlops.cli.schema import Document, json_schema

REPOSITORY = Path(__file__).resolve().parents[2]
_REF = "#/$defs/"


def write(folder: Path) -> None:
    """Write commands.md, alerts.md, and the fields and the schema of each document. A file that is current is kept."""
    folder.mkdir(exist_ok=True)
    _replace(folder / "commands.md", commands())
    _replace(folder / "alerts.md", alerts())
    for document in Document:
        schema = json_schema(document)
        _replace(folder / f"{document.value}.schema.json", json.dumps(schema, indent=2) + "\n")
        _replace(folder / f"{document.value}.md", fields(schema))


def commands() -> str:
    """Return the reference of all commands, as Typer writes it, without its title and with whole summaries."""
    command = [sys.executable, "-m", "typer", "taxi_mlops.cli.main", "utils", "docs", "--name", "taxi"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    sections = re.split(r"^(?=#+ `)", text, flags=re.MULTILINE)[1:]
    names = [section.split("`")[1] for section in sections]
    summaries = {name: section.split("\n")[2] for name, section in zip(names, sections, strict=True)}
    text = "".join(_with_summaries(section, name, summaries) for name, section in zip(names, sections, strict=True))
    return text[text.index("\n") :].lstrip()


def _with_summaries(section: str, command: str, summaries: Mapping[str, str]) -> str:
    """Complete the list of a command's commands: Typer cuts their summaries off after a few words."""
    return re.sub(
        r"^\* `([a-z]+)`: .+$",
        lambda line: f"* `{line[1]}`: {summaries[f'{command} {line[1]}']}",
        section,
        flags=re.MULTILINE,
    )


def alerts() -> str:
    """Return a table of the alerts, in the order of their rules, with the first sentences of their runbooks."""
    rules = yaml.safe_load((REPOSITORY / "deploy" / "prometheus" / "rules" / "alerts.yml").read_text(encoding="utf-8"))
    rows = []
    for rule in (rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule):
        page = REPOSITORY / rule["annotations"]["runbook"]
        condition = page.read_text(encoding="utf-8").split("\n")[2].partition(f"{rule['labels']['severity']}. ")[2]
        link = page.relative_to(REPOSITORY / "docs")
        rows.append(f"| [{rule['alert']}](../{link}) | {rule['labels']['severity']} | {_cell(condition)} |\n")
    return "| alert | severity | condition |\n| --- | --- | --- |\n" + "".join(rows)


def fields(schema: Mapping[str, Any]) -> str:
    """Return the fields of a document and of every object in it as Markdown tables, the document's own first."""
    tables = [] if "properties" not in schema else [_table(schema)]
    for name, part in sorted(schema.get("$defs", {}).items()):
        contents = _table(part) if "properties" in part else f"{_kind(part)}\n"
        tables.append(f"**{name}.** {_prose(part)}\n\n{contents}")
    return "\n".join(tables)


def _table(schema: Mapping[str, Any]) -> str:
    required = schema.get("required", ())
    rows = [
        f"| `{name}` | {_cell(_kind(part))} | {_cell(_meaning(part, name in required))} |\n"
        for name, part in schema.get("properties", {}).items()
    ]
    return "| field | type | meaning |\n| --- | --- | --- |\n" + "".join(rows)


def _meaning(part: Mapping[str, Any], required: bool) -> str:
    default = "" if required or "default" not in part else f"Default: `{json.dumps(part['default'])}`."
    return " ".join(filter(None, (part.get("description", ""), *_bounds(part), default)))


def _bounds(part: Mapping[str, Any]) -> Iterator[str]:
    names = {"minimum": "At least", "maximum": "At most", "exclusiveMinimum": "Above", "exclusiveMaximum": "Below"}
    yield from (f"{words} {part[key]:,}." for key, words in names.items() if key in part)


def _kind(part: Mapping[str, Any]) -> str:
    """Return the type of a field in words."""
    if "$ref" in part:
        return str(part["$ref"]).removeprefix(_REF)
    if options := part.get("anyOf") or part.get("oneOf"):
        return " or ".join(dict.fromkeys(map(_kind, options)))
    if values := part.get("enum", [part["const"]] if "const" in part else []):
        return ", ".join(f"`{value}`" for value in values)
    if part.get("type") == "array":
        return f"list of {_kind(part['items']) if 'items' in part else len(part['prefixItems'])}"
    if isinstance(more := part.get("additionalProperties"), Mapping):
        return f"object of {_kind(more)}"
    return str(part.get("type", "any"))


def _prose(part: Mapping[str, Any]) -> str:
    return " ".join(str(part.get("description", "")).split())


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


def _replace(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
