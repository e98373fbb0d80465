"""The picture of a lineage: from files over commits and trips to runs and models."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest

from taxi_mlops.errors import TaxiError, UsageError
from taxi_mlops.models.registry import ModelVersion
from taxi_mlops.pipeline.lineage import Lineage
from taxi_mlops.runs.listing import RunSummary
from taxi_mlops.versions import Version

TIME = datetime(2016, 6, 1, tzinfo=UTC)


def lineage(commits=2, runs=1):
    return Lineage(
        uri="delta:trips@1",
        commits=tuple(
            Version(number, TIME, "WRITE", 60, "2016-05", f"{number}.parquet", f"delivery {number}", ("training",))
            for number in reversed(range(commits))
        ),
        runs=tuple(
            RunSummary(folder=Path(f"/runs/{number}"), adapters=("grid", "sklearn"), winners=("grid",), state="ended")
            for number in range(runs)
        ),
        models=(
            ModelVersion("city", "3", TIME, ("champion",), "abc", {}, {}),
            ModelVersion("city", "4", TIME, ("challenger",), "abc", {}, {}),
        ),
    )


def titles(picture):
    return [title.text for title in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}title")]


def test_the_whole_way_is_drawn():
    picture = lineage()._repr_svg_()
    assert titles(picture) == [
        "Lineage of delta:trips@1",
        "0.parquet",
        "1.parquet",
        "version 0\n60 rows of 2016-05\n2016-06-01 00:00 UTC\ndelivery 0\ntraining",
        "version 1\n60 rows of 2016-05\n2016-06-01 00:00 UTC\ndelivery 1\ntraining",
        "delta:trips@1",
        "0\ngrid, sklearn\nbest: grid",
        "city version 3\nchampion",
        "city version 4\nchallenger",
    ]
    assert picture.count('class="marked"') == 1
    assert picture.count('class="end"') == 2 + 2 + 3  # files to commits to trips, trips to runs and models


def test_of_very_many_the_newest_are_drawn():
    drawn = titles(lineage(commits=100, runs=40)._repr_svg_())
    assert {"70 earlier commits", "10 earlier runs", "99.parquet", "70.parquet"} <= set(drawn)
    assert "69.parquet" not in drawn


def test_trips_without_a_table_are_drawn_alone():
    alone = Lineage("trips.csv", (), (), (), "no registry")
    assert titles(alone._repr_svg_()) == ["Lineage of trips.csv", "trips.csv"]


def test_it_is_saved_as_svg_or_as_a_page(tmp_path):
    found = lineage()
    assert found.save(tmp_path / "lineage.svg").read_text(encoding="utf-8") == found._repr_svg_()
    page = found.save(str(tmp_path / "lineage.HTML")).read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert found._repr_svg_() in page
    with pytest.raises(UsageError, match=r"picture is SVG or HTML; name a file like lineage.svg or lineage.html"):
        found.save(tmp_path / "lineage.png")
    with pytest.raises(TaxiError, match="cannot be written"):
        found.save(tmp_path / "nowhere" / "lineage.svg")
