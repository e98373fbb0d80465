"""What waiting for Prefect's server may mend."""

from __future__ import annotations

import httpx
import pytest

from taxi_mlops.errors import DownloadError
from taxi_mlops.flows.prefect_environment import is_unreachable

REQUEST = httpx.Request("GET", "http://localhost/api")


def caused(by, error):
    error.__cause__ = by
    return error


def answered(status):
    return httpx.HTTPStatusError(f"{status}", request=REQUEST, response=httpx.Response(status, request=REQUEST))


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("silent"),
        answered(503),
        caused(answered(500), RuntimeError("Unable to acquire concurrency slots")),
    ],
)
def test_waiting_may_mend_a_server_that_is_away(error):
    assert is_unreachable(error)


@pytest.mark.parametrize(
    "error",
    [
        answered(404),
        RuntimeError("no server has to do with it"),
        caused(answered(409), RuntimeError("Unable to acquire concurrency slots")),
        caused(answered(503), DownloadError("http://localhost/trips answers 503")),
    ],
)
def test_waiting_mends_nothing_else(error):
    assert not is_unreachable(error)
