"""Download files from http(s) servers into the cache, once, and again when the server has another version.

A download is written to a `.part` file beside its final name and renamed when it is complete and checked. If it is
interrupted it is resumed by Range, provided that the server confirms it is still the same file (If-Range).
"""

from __future__ import annotations

import hashlib
import logging
import netrc
import os
import re
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from taxi_mlops.data.progress import Progress
from taxi_mlops.data.redirects import check_redirect
from taxi_mlops.errors import DataError, DownloadError
from taxi_mlops.monitoring.spans import client_span, without_secrets
from taxi_mlops.settings import Settings
from taxi_mlops.transport import require_encrypted

if TYPE_CHECKING:
    import httpx

_LOG = logging.getLogger(__name__)

_USER = re.compile(r"(?<=://)[^/@\s]*@")
_QUERY = re.compile(r"(?i)(https?://[^\s?#\"']*\?)[^\s#\"']+")
_ATTEMPTS = 4
_MAX_REDIRECTS = 5
_SLOW_BYTES = 64 << 10
_SLOW_TIMEOUTS = 10
"""A server that sends fewer bytes than these within so many timeouts would never end."""


def fetch(url: str, settings: Settings, on_progress: Progress | None = None) -> Path:
    """Return the path in the cache of the file at an http(s) address, downloading it if it is not there yet.

    A cached file is downloaded again if the server says, by ETag or Last-Modified, that it has changed. If the server
    cannot be reached, or refuses, the cached file is used, and that is logged.

    Processes that want the same file wait for each other.

    Names and passwords come from `~/.netrc` (or the file that NETRC names), never from the address.

    Raises DataError for an address with a user name, DownloadError if the server refuses, stops sending, or sends
    something else than it announced, and if the file is larger than `settings.http_max_bytes` or cannot be written.
    """
    from filelock import FileLock

    if urlsplit(url).username is not None:
        raise DataError(
            f"{displayed(url)} was given with a user name, which would end up in the run's files; leave it out and "
            f"write it to ~/.netrc: machine {urlsplit(url).hostname} login … password …"
        )
    target = settings.cache_dir / "downloads" / _cache_name(url)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            download = _Download(url, target, settings, on_progress)
            if not target.exists() or download.is_outdated():
                download.run()
    except OSError as error:
        raise DownloadError(f"cannot write to the cache {target.parent}: {error.strerror or error}") from error
    return target


def displayed(text: str) -> str:
    """Return an address, or a message with one, without secrets: user and password, and the query of http(s).

    A query may be a signature that lets whoever has it read the file.
    """
    return _QUERY.sub(r"\1***", _USER.sub("", text))


def _cache_name(url: str) -> str:
    """Return a safe name that is unique to the address, with the file's own name at its end."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", url.partition("?")[0].rstrip("/").rpartition("/")[2])
    return f"{hashlib.sha256(url.encode()).hexdigest()[:16]}-{name[-100:]}"


def _netrc() -> httpx.NetRCAuth | None:
    import httpx

    path = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
    try:
        return httpx.NetRCAuth(str(path))
    except FileNotFoundError:
        return None
    except (OSError, netrc.NetrcParseError) as error:
        raise DownloadError(f"{path} cannot be read: {error}") from None


class _Download:
    """The download of one file into the cache."""

    def __init__(
        self,
        url: str,
        target: Path,
        settings: Settings,
        on_progress: Progress | None,
    ) -> None:
        self._url = url
        self._shown = displayed(url)
        self._target = target
        self._part = target.with_name(target.name + ".part")
        self._validator = target.with_name(target.name + ".validator")
        self._version = target.with_name(target.name + ".version")
        self._settings = settings
        self._on_progress = on_progress

    def is_outdated(self) -> bool:
        """Return whether the server has another version than the cached one (RFC 9110, section 13)."""
        import httpx

        if not self._version.exists():  # the server did not send its version
            return False
        version = self._version.read_text()
        condition = {"If-None-Match" if version.startswith('"') else "If-Modified-Since": version}
        try:
            with (
                client_span("HTTP GET", {"http.request.method": "GET", "url.full": without_secrets(self._url)}),
                self._client() as client,
                client.stream("GET", self._url, headers=condition) as response,
            ):
                if response.status_code in {httpx.codes.OK, httpx.codes.NOT_MODIFIED}:
                    return response.status_code == httpx.codes.OK and self._validator_of(response) != version
                reason = f"{response.status_code} {response.reason_phrase}"
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = displayed(str(error))
        _LOG.warning("%s: cannot be asked for a newer version (%s); using the copy in the cache", self._shown, reason)
        return False

    def _client(self) -> httpx.Client:
        import httpx

        return httpx.Client(
            timeout=self._settings.http_timeout_seconds,
            headers={"Accept-Encoding": "identity", "User-Agent": "taxi-mlops"},
            auth=_netrc(),
            follow_redirects=True,
            max_redirects=_MAX_REDIRECTS,
            event_hooks={"request": [self._check_encrypted], "response": [check_redirect]},
        )

    def _check_encrypted(self, request: httpx.Request) -> None:
        """Raise UnencryptedError for a request without TLS, also after a redirect, if the settings refuse them."""
        if self._settings.require_tls:
            require_encrypted(str(request.url), "the address of the trips")

    def run(self) -> None:
        """Transfer, resuming a few times if the connection breaks; check; rename."""
        import httpx

        timeout = self._settings.http_timeout_seconds
        with self._client() as client:
            for attempt in range(_ATTEMPTS):
                if attempt:
                    time.sleep(min(0.25 * 2**attempt, timeout))
                try:
                    with client_span(
                        "HTTP GET", {"http.request.method": "GET", "url.full": without_secrets(self._url)}
                    ):
                        self._transfer(client)
                    break
                except httpx.ReadTimeout:
                    cause = f"the server sent nothing for {timeout:g} s"
                except (httpx.ReadError, httpx.RemoteProtocolError):
                    cause = "the connection broke"
                except (httpx.HTTPError, httpx.InvalidURL) as error:
                    raise DownloadError(f"{self._shown}: cannot be fetched: {displayed(str(error))}") from error
            else:
                raise DownloadError(
                    f"{self._shown}: {cause} after {self._received():,} bytes, {_ATTEMPTS} times; try again later"
                )
        self._check()
        self._version.unlink(missing_ok=True)
        self._part.replace(self._target)
        if self._validator.exists():
            self._validator.replace(self._version)

    def _transfer(self, client: httpx.Client) -> None:
        """Append what is missing to the part, or write all of it if it cannot be resumed."""
        offset = self._received() if self._validator.exists() else 0
        resume = {"Range": f"bytes={offset}-", "If-Range": self._validator.read_text()} if offset else {}
        with client.stream("GET", self._url, headers=resume) as response:
            if response.status_code == 416 and offset:  # nothing beyond our part: the file has changed
                response.close()
                self._part.unlink()
                self._transfer(client)
                return
            resumed = response.status_code == 206 and response.headers.get("Content-Range", "").startswith(
                f"bytes {offset}-"
            )
            if not resumed and response.status_code != 200:
                reason = f"{response.status_code} {response.reason_phrase}"
                raise DownloadError(f"{self._shown}: the server answered {reason}; check the address")
            self._refuse_other_content(response)
            if not resumed:
                offset = 0
                self._remember_validator(response)
            length = response.headers.get("Content-Length")
            total = offset + int(length) if length else None
            self._ensure_free_space(offset, total)
            self._write(response, offset, total)

    def _write(self, response: httpx.Response, offset: int, total: int | None) -> None:
        done = offset
        begun, before = time.monotonic(), offset
        window = _SLOW_TIMEOUTS * self._settings.http_timeout_seconds
        with self._part.open("ab" if offset else "wb") as file:
            # Not in chunks of one size: those before a break would be lost.
            for chunk in response.iter_raw():
                done += len(chunk)
                self._ensure_free_space(done, None)
                file.write(chunk)
                if time.monotonic() - begun > window:
                    if done - before < _SLOW_BYTES:
                        raise DownloadError(
                            f"{self._shown}: the server sent only {done - before:,} bytes within {window:g} s; "
                            "try again later, or raise TAXI_HTTP_TIMEOUT_SECONDS"
                        )
                    begun, before = time.monotonic(), done
                if self._on_progress:
                    self._on_progress("Downloading", done, total)

    def _refuse_other_content(self, response: httpx.Response) -> None:
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise DownloadError(
                f"{self._shown}: the server compresses what it sends, unasked; download the file by hand"
            )
        if response.headers.get("Content-Type", "").startswith("text/html"):
            raise DownloadError(f"{self._shown}: the server sent a web page instead of data; check the address")

    def _remember_validator(self, response: httpx.Response) -> None:
        """Save the validator of this version; without it, the next attempt starts from the beginning."""
        validator = self._validator_of(response)
        if validator:
            self._validator.write_text(validator)
        else:
            self._validator.unlink(missing_ok=True)

    @staticmethod
    def _validator_of(response: httpx.Response) -> str:
        """Return a strong ETag, or the time of the last change, or nothing."""
        etag: str = response.headers.get("ETag", "")
        return etag if etag.startswith('"') else str(response.headers.get("Last-Modified", ""))

    def _ensure_free_space(self, done: int, total: int | None) -> None:
        limit = self._settings.http_max_bytes
        if max(done, total or 0) > limit:
            raise DownloadError(
                f"{self._shown}: larger than {limit:,} bytes; raise TAXI_HTTP_MAX_BYTES to download it anyway"
            )
        if total is not None:
            free = shutil.disk_usage(self._part.parent).free
            if total - done > free:
                raise DownloadError(
                    f"{self._shown}: needs {total - done:,} bytes, but {self._part.parent} has {free:,} left; "
                    "point TAXI_CACHE_DIR elsewhere"
                )

    def _received(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _check(self) -> None:
        """Check that a Parquet file is readable to its footer. Other files are checked by their length alone."""
        if not self._target.name.endswith(".parquet"):
            return
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            pq.read_metadata(self._part)
        except (pa.ArrowException, OSError) as error:
            self._part.unlink()
            self._validator.unlink(missing_ok=True)
            cause = str(error).partition("\n")[0]
            raise DownloadError(f"{self._shown}: what the server sent is not a whole Parquet file: {cause}") from error
