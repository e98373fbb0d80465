"""List the settings for people: all of them (docs/reference/settings.md), and the values in force."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from taxi_mlops.secrets.references import ReferencedSecret
from taxi_mlops.service_urls import MASK, ServiceUrl
from taxi_mlops.settings import Settings

_HEAD = """\
# Settings

Made by `taxi settings --markdown`; a test checks that it is current. `taxi settings` shows the values in force.

What belongs to an experiment is in its specification; what belongs to the machine and its services is here.
Each setting comes from the first of these that has it:

1. an environment variable;
2. `.env` in the working folder, with the same names;
3. `taxi.toml` in the working folder, or the file that `TAXI_SETTINGS` names, with the names in lower case and without
   `TAXI_`;
4. a file of the folder that `TAXI_SECRETS_DIR` names, as containers mount secrets: named like the variable in lower
   case (`taxi_redis_url`).

Secrets are masked wherever settings are shown. A secret may be a reference, as `vault:secret/data/taxi#password`,
which is fetched when it is needed: [Keep secrets](../how-to/keep-secrets.md).

| variable | meaning | default |
| --- | --- | --- |
"""
_DEFAULT_IN_WORDS = re.compile(r"\s*\[(.+)\]$")
_BYTES_PER_GIBIBYTE = 1024**3


@dataclass(frozen=True)
class SettingLine:
    """One setting. `value` is the one in force, masked if it is secret."""

    variable: str
    meaning: str
    default: str
    value: str


def setting_lines(settings: Settings) -> Iterator[SettingLine]:
    """Return every setting, in the order of declaration."""
    for name, field in Settings.model_fields.items():
        described = field.description or ""
        in_words = _DEFAULT_IN_WORDS.search(described)
        yield SettingLine(
            variable=f"TAXI_{name.upper()}",
            meaning=_DEFAULT_IN_WORDS.sub("", described) + (" Secret." if "Secret" in str(field.annotation) else ""),
            default=in_words.group(1) if in_words else _default(field),
            value=_shown(getattr(settings, name)),
        )


def markdown() -> str:
    """Return the page."""
    lines = setting_lines(Settings.model_construct())
    return _HEAD + "".join(f"| `{line.variable}` | {line.meaning} | {line.default} |\n" for line in lines)


def _default(field: FieldInfo) -> str:
    if field.default is None:
        return "none"
    value = _shown(field.default)
    whole = isinstance(field.default, int) and field.default >= _BYTES_PER_GIBIBYTE
    return f"`{value}` ({field.default // _BYTES_PER_GIBIBYTE} GiB)" if whole else f"`{value}`"


def _shown(value: object) -> str:
    if isinstance(value, ReferencedSecret):
        return str(ServiceUrl(value))
    if isinstance(value, SecretStr):
        text = value.get_secret_value()
        return str(ServiceUrl(text)) if "://" in text else MASK
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(ServiceUrl(str(value)))
