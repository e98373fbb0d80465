"""Errors of the service as problem details (RFC 9457): one clear sentence each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
Responses = dict[int | str, dict[str, Any]]
"""Responses of a route by their status, as FastAPI describes them."""
_MAX_SHOWN = 80


class ProblemError(Exception):
    """A request that cannot be answered. headers: of the response."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers


def described(problems: Mapping[int, str]) -> Responses:
    """Return the responses that are problem details, by their status. problems: what each says."""
    return {status: {"description": what, "content": {MEDIA_TYPE: {}}} for status, what in problems.items()}


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return the response of an error."""
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return Response(json.dumps(content), status, dict(headers or {}), MEDIA_TYPE)


def sentence(errors: list[Any], beginning: str = "") -> str:
    """Return the first error of pydantic's as one sentence with its place and value."""
    first = errors[0]
    place = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
    said = str(first["msg"])
    value = first.get("input")
    shown = "" if value is None or isinstance(value, dict | list | bytes) else f" (got {_shortened(value)})"
    return f"{beginning}{place}{': ' if place else ''}{said}{shown}"


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
