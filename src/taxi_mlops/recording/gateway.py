"""Send metrics to a Prometheus Pushgateway, in groups; the groups of hosts that are gone are removed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from taxi_mlops.errors import ServiceError
from taxi_mlops.monitoring.spans import client_span
from taxi_mlops.monitoring.time_budget import DeadlineExceededError, TimeBudget
from taxi_mlops.service_urls import ServiceUrl

if TYPE_CHECKING:
    import urllib3

JOB = "taxi-mlops"
"""Label of the groups of comparisons."""
JOB_OF_TILES = "taxi-mlops-tiles"
"""Label of the groups of clusterings in tiles."""
KEEP_SECONDS = 30 * 86_400.0
"""A group without a push for so long is removed: its host or deployment is gone."""

_ATTEMPTS = 2
_PAUSE_SECONDS = 0.1
_SHARE = 0.5
"""Of the run's time budget; the rest is for spans and log records."""


class Pushgateway:
    """A gateway at an address. ca_file: its certificate authority, if the system does not trust it."""

    def __init__(self, url: ServiceUrl, ca_file: Path | None) -> None:
        self._url = url
        self._target = str(url)
        self._ca_file = ca_file

    def push(self, group: Mapping[str, str], text: bytes, budget: TimeBudget) -> None:
        """Replace a group of metrics. Raises ServiceError if that fails, or takes more than half of the budget."""
        with client_span("PUT pushgateway", {"http.request.method": "PUT", "url.full": self._target}):
            try:
                budget.call(lambda: self._push(group, text, budget.left * _SHARE), _SHARE)
            except DeadlineExceededError as error:
                raise ServiceError(f"{self._target}: {error}") from None

    def _push(self, group: Mapping[str, str], text: bytes, seconds: float) -> None:
        """Push a group and remove old ones; retry on failure."""
        import urllib3

        deadline = time.monotonic() + seconds
        user_info = urlsplit(self._base).netloc.rpartition("@")[0]
        headers = urllib3.make_headers(basic_auth=unquote(user_info)) if user_info else {}
        ca_file = str(self._ca_file) if self._ca_file else None
        for attempt in range(1, _ATTEMPTS + 1):
            left = max(deadline - time.monotonic(), 0.01) / (_ATTEMPTS + 1 - attempt)
            try:
                with urllib3.PoolManager(headers=headers, timeout=left, retries=False, ca_certs=ca_file) as pool:
                    pushed = {**headers, "Content-Type": CONTENT_TYPE_PLAIN_0_0_4}
                    _ask(pool, "PUT", self._group_url(group), body=text, headers=pushed)
                    self._remove_old(pool)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                if attempt == _ATTEMPTS:
                    said = " ".join(str(error).split()) or type(error).__name__
                    raise ServiceError(f"{self._target}: {self._url.scrub(said)}") from None
                time.sleep(_PAUSE_SECONDS)
            else:
                return

    def _remove_old(self, pool: urllib3.PoolManager) -> None:
        for group in _ask(pool, "GET", f"{self._base}/api/v1/metrics").json()["data"]:
            if group["labels"].get("job") in (JOB, JOB_OF_TILES) and time.time() - _pushed_at(group) > KEEP_SECONDS:
                _ask(pool, "DELETE", self._group_url(group["labels"]))

    @property
    def _base(self) -> str:
        return self._url.reveal().rstrip("/")

    def _group_url(self, labels: Mapping[str, str]) -> str:
        # `job` comes first in the URL of a group.
        ordered = {"job": labels["job"], **labels}
        return f"{self._base}/metrics/" + "/".join(f"{name}/{quote(value, safe='')}" for name, value in ordered.items())


def _ask(pool: urllib3.PoolManager, method: str, url: str, **content: Any) -> urllib3.BaseHTTPResponse:  # noqa: ANN401
    """Send a request. Raises HTTPError if it is refused."""
    from urllib3.exceptions import HTTPError

    answer = pool.request(method, url, **content)
    if answer.status >= 400:
        raise HTTPError(f"answers {answer.status} to {method}")
    return answer


def _pushed_at(group: Mapping[str, Any]) -> float:
    return float(group["push_time_seconds"]["metrics"][0]["value"])
