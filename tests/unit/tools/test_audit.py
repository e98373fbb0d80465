"""`make audit`: hashes, licences and vulnerabilities of what the lock file names."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
ALLOWED = frozenset({"MIT", "Apache-2.0", "BSD License", "MPL-2.0", "Apache-2.0 WITH LLVM-exception"})


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    specification = importlib.util.spec_from_file_location("audit_tool", REPOSITORY / "tools" / "audit.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("licence", "right"),
    [
        ("MIT", True),
        ("MIT AND Apache-2.0", True),
        ("MIT AND GPL-3.0", False),
        ("GPL-3.0 OR MIT", True),
        ("MPL-2.0 AND (GPL-3.0 OR MIT)", True),
        ("MPL-2.0 AND (GPL-3.0 OR AGPL-3.0)", False),
        ("Apache-2.0 WITH LLVM-exception AND MIT", True),
        ("", False),
    ],
)
def test_a_licence_is_allowed_by_its_parts(audit: ModuleType, licence: str, right: bool) -> None:
    assert audit.allowed(licence, ALLOWED) is right


def test_a_file_without_a_hash_is_named(audit: ModuleType) -> None:
    files = [{"url": "https://x/a.whl", "hash": "sha256:00"}, {"url": "https://x/b.whl"}]
    local = {"name": "ours", "version": "1", "source": {"editable": "."}, "wheels": [{"url": "c"}]}
    lock = {"package": [{"name": "a", "version": "1", "source": {"registry": "x"}, "wheels": files}, local]}
    assert list(audit.without_hash(lock)) == ["a 1: https://x/b.whl has no SHA-256"]


def test_no_dependency_is_without_hash_or_has_a_licence_that_is_not_allowed(
    audit: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit, "advisories", lambda _: (False, ["osv.dev cannot be reached"]))
    assert audit.main([]) == 0, capsys.readouterr().out
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("hashes: none wrong, of ")
    assert lines[1].startswith("licences: none wrong, of ")
    assert lines[2] == "vulnerabilities: NOT CHECKED: osv.dev cannot be reached"
    assert audit.main(["--strict"]) == 1


@pytest.fixture
def osv(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A service of OSV that knows one vulnerability of httpx."""
    if shutil.which("uv", path=str(Path(sys.executable).parent)) is None and shutil.which("uv") is None:
        pytest.skip("uv is not installed")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    when = {"modified": "2026-01-01T00:00:00Z", "published": "2026-01-01T00:00:00Z"}
    events = [{"introduced": "0"}, {"fixed": "99"}]
    affected = [
        {"package": {"name": "httpx", "ecosystem": "PyPI"}, "ranges": [{"type": "ECOSYSTEM", "events": events}]}
    ]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            queries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            found = [{"id": "TEST-1", "modified": when["modified"]}]
            self._answer({"results": [{"vulns": found} if _name(each) == "httpx" else {} for each in queries]})

        def do_GET(self) -> None:
            self._answer({"id": "TEST-1", "summary": "it is a test", "affected": affected, **when})

        def _answer(self, content: object) -> None:
            body = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def _name(query: dict[str, dict[str, str]]) -> str:
    return query["package"]["name"]


def test_a_vulnerability_is_named_with_the_version_that_mends_it(audit: ModuleType, osv: str) -> None:
    checked, found = audit.advisories(osv)
    assert checked, found
    (line,) = found
    assert line.startswith("httpx ")
    assert line.endswith(": TEST-1 it is a test (fixed in 99)")


def test_without_a_net_it_says_that_nothing_was_checked(audit: ModuleType, osv: str) -> None:
    assert audit.advisories("http://127.0.0.1:1/") == (False, ["osv.dev cannot be reached"])
