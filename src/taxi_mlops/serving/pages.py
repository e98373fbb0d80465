"""The pages: the map at `/`, the A/B test at `/ab`, the interface at `/docs`. Nothing of them is from elsewhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import Response

STATIC = Path(__file__).parent / "static"
DESCRIPTION = "/openapi.json"
_HTML, _SCRIPT, _STYLE = "text/html; charset=utf-8", "text/javascript; charset=utf-8", "text/css; charset=utf-8"
FILES = {
    "/": ("index.html", _HTML),
    "/ab": ("ab.html", _HTML),
    "/docs": ("docs.html", _HTML),
    "/static/ab.js": ("ab.js", _SCRIPT),
    "/static/docs.js": ("docs.js", _SCRIPT),
    "/static/map.css": ("map.css", _STYLE),
    "/static/map.js": ("map.js", _SCRIPT),
    "/static/swagger-ui.css": ("swagger-ui.css", _STYLE),
    "/static/swagger-ui-bundle.js": ("swagger-ui-bundle.js", _SCRIPT),
}
"""The files by their paths. They need no key: they hold nothing of the model."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
DOCS_POLICY = POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
"""Swagger UI sets styles of its elements in the page itself."""


def add_pages(app: FastAPI) -> None:
    """Answer with the files of the pages."""
    for path, (name, media_type) in FILES.items():
        app.add_api_route(path, _answering(name, media_type), include_in_schema=False)


def _answering(name: str, media_type: str) -> Callable[[], Awaitable[Response]]:
    policy = DOCS_POLICY if name == "docs.html" else POLICY

    async def answer() -> Response:
        headers = {"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache"}
        return Response(_content(name), media_type=media_type, headers=headers)

    return answer


@cache
def _content(name: str) -> bytes:
    folder = _swagger_ui() if name.startswith("swagger-ui") else STATIC
    return (folder / name).read_bytes()


def _swagger_ui() -> Path:
    """Return the folder with the files of Swagger UI, which the package fastapi-offline has."""
    found = find_spec("fastapi_offline")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("No module named 'fastapi_offline'", name="fastapi_offline")
    return Path(found.origin).parent / "static"
