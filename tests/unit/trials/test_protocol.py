"""Requests to the process of a trial and its reports."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from taxi_mlops.domain import Resources, TrialKind, TrialStatus
from taxi_mlops.trials.protocol import MAX_CAUSE_LENGTH, Report, Reporter, Request, shorten


@pytest.mark.parametrize("resources", [Resources(1), Resources(8, (0, 3), 10**9, 12.5)])
def test_a_request_survives_the_command_line(resources):
    request = Request("a b'c", TrialKind.MEMORY, Path("/tmp/w ü"), Path("/tmp/s"), resources)
    assert Request.from_json(request.to_json()) == request


def test_facts_add_up():
    read, write = os.pipe()
    reporter = Reporter(write)
    reporter.send(phase="fit", adapter_version="1.2")
    reporter.send(status=TrialStatus.OK, about={"tiles": 3})
    report = Report()
    for line in os.read(read, 4096).splitlines():
        report = report.parse_line(line)
    os.close(read)
    reporter._pipe.close()
    assert report == Report(phase="fit", adapter_version="1.2", status=TrialStatus.OK, about={"tiles": 3})


@pytest.mark.parametrize("line", [b"{", b"[1]", b'"text"', b'{"unknown": 1}', b'{"status": "fine"}', b"\xff"])
def test_what_is_no_fact_is_refused(line):
    with pytest.raises((ValueError, TypeError)):
        Report().parse_line(line)


def test_long_texts_become_one_short_line():
    assert shorten("two\n  lines") == "two lines"
    assert len(shorten("x" * 10_000)) == MAX_CAUSE_LENGTH
    assert shorten("x" * 10_000).endswith("x…")
