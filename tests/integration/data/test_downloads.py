"""Downloads from a real server on this machine that does what servers do: break off, fall silent, lie."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from pydantic import HttpUrl

from taxi_mlops.data import download, redirects
from taxi_mlops.data.download import displayed, fetch
from taxi_mlops.data.load import LoadRequest, load_points
from taxi_mlops.data.synthetic import write_parquet
from taxi_mlops.errors import DataError, DownloadError
from taxi_mlops.settings import Settings


@dataclass
class Behaviour:
    """What the server has and how it misbehaves.

    breaks: for each answer in turn, after how many bytes it stops; beyond the list it sends all.
    """

    content: bytes = b""
    breaks: list[int] = field(default_factory=list)
    hang: bool = False
    trickles: bool = False
    etag: str | None = '"v1"'
    ranges: bool = True
    announced_extra: int = 0
    length: bool = True
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    """Serves the behaviour of its server."""

    server: Server

    def do_GET(self) -> None:
        behaviour = self.server.behaviour
        behaviour.requests.append(dict(self.headers))
        behaviour.paths.append(self.path)
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/trips.parquet")
            self.end_headers()
            return
        if self.path == "/inside":
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/secret")
            self.end_headers()
            return
        if self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
            return
        if behaviour.status != 200:
            self.send_error(behaviour.status)
            return
        versions = {behaviour.etag, behaviour.headers.get("Last-Modified")} - {None}
        if {self.headers.get("If-None-Match"), self.headers.get("If-Modified-Since")} & versions:
            self.send_response(304)
            self.end_headers()
            return
        start = self._start()
        if start >= len(behaviour.content) > 0:
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        body = behaviour.content[start:]
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(behaviour.content) - 1}/{len(behaviour.content)}")
        if behaviour.length:
            self.send_header("Content-Length", str(len(body) + behaviour.announced_extra))
        if behaviour.etag:
            self.send_header("ETag", behaviour.etag)
        for name, value in behaviour.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if behaviour.trickles:
            self._trickle()
            return
        stop = behaviour.breaks.pop(0) if behaviour.breaks else len(body)
        self.wfile.write(body[:stop])
        self.wfile.flush()
        if behaviour.hang and stop < len(body):
            self.server.released.wait(20)

    def _trickle(self) -> None:
        """Send a byte now and then, until nobody listens."""
        while not self.server.released.wait(0.02):
            try:
                self.wfile.write(b"x")
            except OSError:
                return

    def _start(self) -> int:
        behaviour = self.server.behaviour
        asked = self.headers.get("Range", "")
        unchanged = self.headers.get("If-Range") in {behaviour.etag, behaviour.headers.get("Last-Modified")}
        if not (asked and behaviour.ranges and unchanged):
            return 0
        return int(asked.removeprefix("bytes=").removesuffix("-"))

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the terminal of the tests."""


class Server(ThreadingHTTPServer):
    """A server with a behaviour."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviour = Behaviour()
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def trips(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("city") / "city.parquet"
    write_parquet(path, 20_000)
    return path.read_bytes()


@pytest.fixture
def settings(tmp_path: Path, server: Server) -> Settings:
    return Settings(
        cache_dir=tmp_path / "cache", http_timeout_seconds=0.3, tlc_base_url=HttpUrl(f"{server.url}/trip-data/")
    )


def left_in(settings: Settings) -> set[str]:
    return {path.suffix for path in (settings.cache_dir / "downloads").iterdir() if path.suffix != ".lock"}


def test_a_file_is_downloaded_once_with_progress(server, settings, trips):
    server.behaviour = Behaviour(trips)
    progress_calls = []
    path = fetch(f"{server.url}/trips.parquet", settings, lambda *progress: progress_calls.append(progress))
    assert path.read_bytes() == trips
    assert path.name.endswith("-trips.parquet")
    assert progress_calls[-1] == ("Downloading", len(trips), len(trips))
    assert fetch(f"{server.url}/trips.parquet", settings) == path
    first, second = server.behaviour.requests
    assert first["Accept-Encoding"] == "identity"
    assert second["If-None-Match"] == '"v1"'
    assert left_in(settings) == {".parquet", ".version"}


@pytest.mark.parametrize("by", ["etag", "time"])
def test_a_changed_file_is_fetched_again(server, settings, by):
    url = f"{server.url}/t.csv"
    versions = ['"v1"', '"v2"'] if by == "etag" else [None, None]
    times = [{}, {}] if by == "etag" else [{"Last-Modified": f"Sat, 0{day} Jun 2016 00:00:00 GMT"} for day in (4, 5)]
    for etag, headers, content in zip(versions, times, (b"old", b"newer"), strict=True):
        server.behaviour = Behaviour(content, etag=etag, headers=headers)
        assert fetch(url, settings).read_bytes() == content
        assert fetch(url, settings).read_bytes() == content
    assert len(server.behaviour.requests) == 3  # noticed, fetched, found unchanged


def test_a_file_whose_version_is_unknown_is_kept(server, settings):
    server.behaviour = Behaviour(b"old", etag=None)
    fetch(f"{server.url}/t.csv", settings)
    server.behaviour = Behaviour(b"newer", etag=None)
    assert fetch(f"{server.url}/t.csv", settings).read_bytes() == b"old"
    assert server.behaviour.requests == []


def test_without_the_server_the_cache_is_used_and_the_log_says_so(server, settings, caplog):
    server.behaviour = Behaviour(b"old")
    path = fetch(f"{server.url}/t.csv", settings)
    server.behaviour = Behaviour(b"newer", status=503)
    assert fetch(f"{server.url}/t.csv", settings) == path
    assert path.read_bytes() == b"old"
    assert "503" in caplog.text


def test_an_address_gives_points(server, settings, trips):
    server.behaviour = Behaviour(trips)
    points = load_points(LoadRequest(source=f"{server.url}/t.parquet"), settings)
    city = load_points(LoadRequest(), settings)
    assert points.fingerprint == city.fingerprint
    assert points.provenance.uri == f"{server.url}/t.parquet"


def test_a_password_comes_from_netrc_and_never_from_the_address(server, settings, trips, tmp_path, monkeypatch):
    server.behaviour = Behaviour(trips)
    with pytest.raises(DataError, match=r"~/\.netrc: machine 127\.0\.0\.1") as caught:
        fetch(f"http://user:secret@127.0.0.1:{server.server_port}/t.parquet", settings)
    assert "secret" not in str(caught.value)
    assert server.behaviour.requests == []
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login user password secret", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    fetch(f"{server.url}/t.parquet", settings)
    assert server.behaviour.requests[0]["Authorization"] == "Basic dXNlcjpzZWNyZXQ="


def test_a_signed_address_is_shown_without_its_signature(server, settings, trips):
    address = f"{server.url}/t.parquet?expires=1&X-Amz-Signature=hunter2"
    server.behaviour = Behaviour(trips, status=403)
    with pytest.raises(DownloadError, match=r"t\.parquet\?\*\*\*: the server answered 403") as caught:
        load_points(LoadRequest(source=address), settings)
    server.behaviour = Behaviour(trips)
    points = load_points(LoadRequest(source=address), settings)
    assert server.behaviour.paths == ["/t.parquet?expires=1&X-Amz-Signature=hunter2"]
    assert points.provenance.uri == f"{server.url}/t.parquet?***"
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("https://lab:hunter2@host/t.csv?sig=hunter2#top", "https://host/t.csv?***#top"),
        (
            'no answer: "HTTP://host:1/a?b=hunter2", at https://host/?',
            'no answer: "HTTP://host:1/a?***", at https://host/?',
        ),
        ("s3://bucket/what?.csv", "s3://bucket/what?.csv"),
        ("ftp://lab:hunter2@host/t.csv", "ftp://host/t.csv"),
    ],
)
def test_an_error_about_a_url_has_no_secret(said, shown):
    assert displayed(said) == shown


def test_a_month_of_new_york_comes_from_the_set_address(server, settings, trips):
    server.behaviour = Behaviour(trips)
    points = load_points(LoadRequest(source="tlc:yellow/2010-01"), settings)
    assert server.behaviour.paths == ["/trip-data/yellow_tripdata_2010-01.parquet"]
    assert points.provenance.uri == "tlc:yellow/2010-01"


def test_two_addresses_never_share_a_file(server, settings):
    server.behaviour = Behaviour(b"a,b\n1,2\n")
    paths = {fetch(f"{server.url}/{name}", settings) for name in ("x/t.csv", "y/t.csv", "t.csv?a=1", "t.csv?a=2")}
    assert len(paths) == 4
    odd = fetch(f"{server.url}/..%2F..%2Fpasswd;x", settings)
    assert odd.parent == settings.cache_dir / "downloads"


def test_where_it_broke_off_it_is_resumed(server, settings, trips):
    server.behaviour = Behaviour(trips, breaks=[100_000, 50_000])
    path = fetch(f"{server.url}/trips.parquet", settings)
    assert path.read_bytes() == trips
    asked = [(request.get("Range"), request.get("If-Range")) for request in server.behaviour.requests]
    assert asked == [(None, None), ("bytes=100000-", '"v1"'), ("bytes=150000-", '"v1"')]


def test_each_attempt_is_a_span_without_the_query(server, settings, trips, traced):
    server.behaviour = Behaviour(trips, breaks=[100_000])
    with traced() as spans:
        fetch(f"{server.url}/trips.parquet?token=hunter2", settings)
    broken, whole, _ = spans
    assert broken["name"] == whole["name"] == "HTTP GET"
    assert (broken["status"]["code"], whole["status"]) == (2, {})
    assert whole["attributes"] == {"http.request.method": "GET", "url.full": f"{server.url}/trips.parquet"}


def test_a_later_download_continues_where_the_first_failed(server, settings, trips):
    server.behaviour = Behaviour(trips, breaks=[1000] * 4)
    with pytest.raises(DownloadError, match=r"the connection broke after 4,000 bytes, 4 times"):
        fetch(f"{server.url}/trips.parquet", settings)
    assert left_in(settings) == {".part", ".validator"}
    progress_calls = []
    path = fetch(f"{server.url}/trips.parquet", settings, lambda *progress: progress_calls.append(progress))
    assert path.read_bytes() == trips
    assert server.behaviour.requests[-1]["Range"] == "bytes=4000-"
    assert progress_calls[0][2] == len(trips)


def test_last_modified_serves_where_there_is_no_strong_etag(server, settings, trips):
    date = "Mon, 01 Jan 2024 00:00:00 GMT"
    server.behaviour = Behaviour(trips, breaks=[1000], etag='W/"weak"', headers={"Last-Modified": date})
    assert fetch(f"{server.url}/trips.parquet", settings).read_bytes() == trips
    assert server.behaviour.requests[1]["If-Range"] == date


@pytest.mark.parametrize("change", [{"ranges": False}, {"etag": None}, {"etag": '"v2"'}])
def test_what_cannot_be_resumed_is_fetched_afresh(server, settings, trips, change):
    class Changing(Handler):
        def do_GET(self) -> None:
            super().do_GET()
            self.server.behaviour.etag = change.get("etag", '"v1"')

    server.RequestHandlerClass = Changing
    server.behaviour = Behaviour(trips, breaks=[1000], ranges=change.get("ranges", True))
    if change.get("etag", "") is None:
        server.behaviour.etag = None
    assert fetch(f"{server.url}/trips.parquet", settings).read_bytes() == trips


def test_a_part_longer_than_the_file_is_discarded(server, settings, trips):
    server.behaviour = Behaviour(trips, breaks=[1000] * 4)
    with pytest.raises(DownloadError):
        fetch(f"{server.url}/trips.parquet", settings)
    (part,) = (settings.cache_dir / "downloads").glob("*.part")
    part.write_bytes(trips + b"more")
    assert fetch(f"{server.url}/trips.parquet", settings).read_bytes() == trips


def test_a_server_that_stops_sending_is_one_clear_error(server, settings, trips):
    server.behaviour = Behaviour(trips, breaks=[5000, 0, 0, 0], hang=True)
    with pytest.raises(
        DownloadError, match=r"/t\.parquet: the server sent nothing for 0\.3 s after 5,000 bytes, 4 times"
    ):
        fetch(f"{server.url}/t.parquet", settings)


def test_a_length_longer_than_the_content_is_one_clear_error(server, settings):
    server.behaviour = Behaviour(b"a,b\n1,2\n", announced_extra=10)
    with pytest.raises(DownloadError, match=r"t\.csv: the connection broke after 8 bytes, 4 times"):
        fetch(f"{server.url}/t.csv", settings)


def test_a_length_shorter_than_the_content_is_seen_at_the_footer(server, settings, trips):
    server.behaviour = Behaviour(trips, announced_extra=-1000)
    with pytest.raises(DownloadError, match="not a whole Parquet file"):
        fetch(f"{server.url}/trips.parquet", settings)
    assert left_in(settings) == set()


def test_content_without_a_length_is_checked_at_the_footer(server, settings, trips):
    server.behaviour = Behaviour(trips, length=False)
    assert fetch(f"{server.url}/whole.parquet", settings).read_bytes() == trips
    server.behaviour = Behaviour(trips, length=False, breaks=[9000])
    with pytest.raises(DownloadError, match="not a whole Parquet file"):
        fetch(f"{server.url}/cut.parquet", settings)


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (Behaviour(status=404), r"the server answered 404 Not Found; check the address"),
        (Behaviour(status=403), "the server answered 403 Forbidden"),
        (Behaviour(status=416), "the server answered 416"),
        (Behaviour(status=503), "the server answered 503 Service Unavailable"),
        (Behaviour(b"<html>", headers={"Content-Type": "text/html; charset=utf-8"}), "sent a web page instead of data"),
        (Behaviour(b"x", headers={"Content-Encoding": "gzip"}), "compresses what it sends"),
        (Behaviour(b"not parquet"), "not a whole Parquet file"),
        (Behaviour(b""), "not a whole Parquet file"),
    ],
    ids=["404", "403", "416", "503", "web page", "compressed", "no parquet", "empty"],
)
def test_each_refusal_is_one_clear_error(server, settings, behaviour, said):
    server.behaviour = behaviour
    with pytest.raises(DownloadError, match=said) as raised:
        fetch(f"{server.url}/trips.parquet", settings)
    assert "\n" not in str(raised.value)
    assert len(behaviour.requests) == 1


def test_redirects_are_followed_but_not_to_files(server, settings, trips):
    server.behaviour = Behaviour(trips)
    assert fetch(f"{server.url}/moved", settings).read_bytes() == trips
    with pytest.raises(DownloadError, match="cannot be fetched"):
        fetch(f"{server.url}/elsewhere", settings)


def test_a_server_elsewhere_cannot_redirect_to_this_machine(server, settings, monkeypatch):
    monkeypatch.setattr(redirects, "is_inside", lambda host: host != "localhost")
    said = "^localhost redirects to 127.0.0.1, which is in this machine's own network"
    with pytest.raises(DownloadError, match=said):
        fetch(f"http://localhost:{server.server_port}/inside", settings)
    assert server.behaviour.paths == ["/inside"]


@pytest.mark.parametrize(
    ("host", "inside"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("169.254.169.254", True),
        ("10.1.2.3", True),
        ("192.168.0.1", True),
        ("::1", True),
        ("fe80::1", True),
        ("0.0.0.0", True),
        ("::ffff:127.0.0.1", True),
        ("1.1.1.1", False),
        ("2606:4700:4700::1111", False),
    ],
)
def test_which_addresses_are_of_this_network(host, inside):
    assert redirects.is_inside(host) is inside


def test_a_redirect_does_not_give_up_tls():
    response = httpx.Response(
        302, headers={"Location": "http://1.1.1.1/x"}, request=httpx.Request("GET", "https://1.0.0.1/")
    )
    with pytest.raises(DownloadError, match=r"^1\.0\.0\.1 redirects to http://1\.1\.1\.1, without TLS"):
        redirects.check_redirect(response)


def test_a_server_that_trickles_for_ever_is_one_clear_error(server, settings, monkeypatch):
    monkeypatch.setattr(download, "_SLOW_TIMEOUTS", 1)
    server.behaviour = Behaviour(b"x" * 100_000, trickles=True)
    with pytest.raises(DownloadError, match=r"the server sent only \d+ bytes within 0\.3 s; try again later"):
        fetch(f"{server.url}/x.csv", settings)


def test_a_refused_connection_is_one_clear_error(settings):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(DownloadError, match=rf"127\.0\.0\.1:{port}/t\.csv: cannot be fetched: .*refused"):
        fetch(f"http://127.0.0.1:{port}/t.csv", settings)


@pytest.mark.parametrize("length", [True, False])
def test_a_file_beyond_the_limit_is_not_fetched(server, settings, trips, length):
    server.behaviour = Behaviour(trips, length=length)
    small = settings.model_copy(update={"http_max_bytes": 1000})
    with pytest.raises(DownloadError, match=r"larger than 1,000 bytes; raise TAXI_HTTP_MAX_BYTES"):
        fetch(f"{server.url}/trips.parquet", small)


def test_a_file_that_does_not_fit_is_not_begun(server, settings):
    server.behaviour = Behaviour(b"y,x\n", announced_extra=10**18)
    roomy = settings.model_copy(update={"http_max_bytes": 10**19})
    with pytest.raises(
        DownloadError, match=r"needs 1,000,000,000,000,000,004 bytes, .* point TAXI_CACHE_DIR elsewhere"
    ):
        fetch(f"{server.url}/trips.csv", roomy)


def test_a_cache_that_cannot_be_written_is_one_clear_error(server, settings, tmp_path):
    (tmp_path / "file").write_text("")
    blocked = settings.model_copy(update={"cache_dir": tmp_path / "file"})
    with pytest.raises(DownloadError, match="cannot write to the cache"):
        fetch(f"{server.url}/trips.parquet", blocked)


def test_several_at_once_download_once(server, settings, trips):
    server.behaviour = Behaviour(trips)
    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda: found.append(fetch(f"{server.url}/trips.parquet", settings))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    assert found[0].read_bytes() == trips
    assert sum("If-None-Match" not in request for request in server.behaviour.requests) == 1


def test_a_csv_of_the_wrong_kind_is_refused_after_the_download(server, settings):
    server.behaviour = Behaviour(b"a,b\n1,2\n")
    with pytest.raises(DataError, match="no known kind"):
        load_points(LoadRequest(source=f"{server.url}/t.csv"), settings)
