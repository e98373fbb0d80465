"""The map page at `/`, and that of the A/B test at `/ab`: their files come from the service itself alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import Response

STATIC = Path(__file__).parent / "static"
FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/ab": ("ab.html", "text/html; charset=utf-8"),
    "/static/ab.js": ("ab.js", "text/javascript; charset=utf-8"),
    "/static/map.css": ("map.css", "text/css; charset=utf-8"),
    "/static/map.js": ("map.js", "text/javascript; charset=utf-8"),
}
"""The files by their paths. They need no key: they hold nothing of the model."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def add_map_page(app: FastAPI) -> None:
    """Answer with the files of the pages."""
    for path, (name, media_type) in FILES.items():
        app.add_api_route(path, _answering(name, media_type), include_in_schema=False)


def _answering(name: str, media_type: str) -> Callable[[], Awaitable[Response]]:
    async def answer() -> Response:
        headers = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache"}
        return Response(_content(name), media_type=media_type, headers=headers)

    return answer


@cache
def _content(name: str) -> bytes:
    return (STATIC / name).read_bytes()
