"""Whether workers share a folder is tried."""

import pytest

from taxi_mlops.scale import shared_folders
from taxi_mlops.scale.shared_folders import Marker, NotSharedError, look


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(shared_folders, "_SECONDS", 0.0)


def test_a_shared_folder(tmp_path):
    with Marker(tmp_path) as marker:
        marker.require({"a": look(str(marker.path), marker.token), "b": look(str(marker.path), marker.token)}, "dask")
    assert not list(tmp_path.iterdir())


def test_a_worker_with_another_folder_of_that_name(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    with Marker(here) as marker:
        assert look(str(there / marker.path.name), marker.token) is None
        assert look(str(marker.path), "of another run") is None
        (there / marker.path.name).write_text(marker.token)
        unseen = look(str(there / marker.path.name), marker.token)
        for answer in (None, unseen):
            with pytest.raises(NotSharedError, match=r"dask: worker b does not share .*here with this machine"):
                marker.require({"a": look(str(marker.path), marker.token), "b": answer}, "dask")
