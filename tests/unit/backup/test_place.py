"""The folder of backups: contents once, manifests, damage by name."""

from __future__ import annotations

import hashlib
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

pytest.importorskip("cryptography", reason="cryptography is in the extra stack")

from taxi_mlops.backup.encryption import BackupKey, DamagedError
from taxi_mlops.backup.manifest import BackedUpFile, Manifest, RowCounts
from taxi_mlops.backup.place import Place
from taxi_mlops.errors import ServiceError, UsageError
from taxi_mlops.results.backup_state import Verification, begun_at, label_of, labels_in, verification_in

KEY = BackupKey("0123456789abcdef0123456789abcdef")
BEGUN = datetime(2026, 11, 30, 2, 0, tzinfo=UTC)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path / "backups")
    place.make()
    return place


def backup(place: Place, minutes: int, *contents: bytes) -> Manifest:
    """A backup with a file for each content."""
    created = BEGUN + timedelta(minutes=minutes)
    kept = [place.put(io.BytesIO(content), KEY) for content in contents]
    files = tuple(BackedUpFile(path=f"secrets/{n}", size=size, sha256=sha) for n, (sha, size) in enumerate(kept))
    manifest = Manifest(
        label=label_of(created),
        created=created,
        taxi_version="0.1.0",
        services=("redis",),
        postgresql=None,
        files=files,
        buckets={},
    )
    place.write(manifest, KEY)
    return manifest


def stored(place: Place) -> list[Path]:
    return [path for path in (place.path / "contents").rglob("*") if path.is_file()]


def test_a_content_is_kept_once_and_comes_back(place: Place) -> None:
    first, second = place.put(io.BytesIO(b"trips"), KEY), place.put(io.BytesIO(b"trips"), KEY)
    assert first == second == (hashlib.sha256(b"trips").hexdigest(), 5)
    assert len(stored(place)) == 1
    with place.get(first[0], KEY) as content:
        assert content.read() == b"trips"


def test_damage_names_the_file(place: Place) -> None:
    sha256, _ = place.put(io.BytesIO(b"trips"), KEY)
    (path,) = stored(place)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedError, match=f"^{path} is damaged"):
        place.check(sha256, KEY)
    path.write_bytes(b"".join(KEY.encrypted(io.BytesIO(b"others"))))
    with pytest.raises(DamagedError, match=f"^{path} has another content"):
        place.check(sha256, KEY)
    path.unlink()
    with pytest.raises(DamagedError, match=f"^{path} cannot be read: No such file"):
        place.check(sha256, KEY)


def test_the_newest_backup_and_the_newest_before_a_time(place: Place) -> None:
    with pytest.raises(UsageError, match="has no backup"):
        place.newest(KEY)
    early, late = backup(place, 0), backup(place, 10)
    assert place.labels() == ("20261130T020000Z", "20261130T021000Z") == (early.label, late.label)
    assert place.newest(KEY) == late
    assert place.newest(KEY, BEGUN + timedelta(minutes=9)) == early
    with pytest.raises(UsageError, match="has no backup from before 2026-11-30 01:59:00 UTC"):
        place.newest(KEY, BEGUN - timedelta(minutes=1))
    with pytest.raises(UsageError, match=r"has no backup '\.\./lock'; it has: 20261130T020000Z, 20261130T021000Z"):
        place.manifest("../lock", KEY)


def test_a_removed_backup_takes_only_the_contents_that_no_other_has(place: Place) -> None:
    early, late = backup(place, 0, b"both", b"early"), backup(place, 10, b"both", b"late")
    assert place.remove((early.label,), (late,), KEY) == 1
    assert place.labels() == (late.label,)
    assert len(stored(place)) == 2
    for sha256 in late.contents.values():
        place.check(sha256, KEY)


def test_two_processes_do_not_work_in_it_at_once(place: Place) -> None:
    with (
        place.locked(),
        pytest.raises(ServiceError, match="another `taxi backup` is at work"),
        Place(place.path).locked(),
    ):
        pass


def test_drafts_of_a_killed_process_are_removed(place: Place) -> None:
    (place.path / ".draft-killed").write_bytes(b"half")
    with place.locked():
        assert not list(place.path.glob(".draft-*"))


def test_the_last_verification_is_noted(place: Place) -> None:
    assert place.verification() is None
    noted = Verification(label="20261130T020000Z", verified=BEGUN, seconds=1.5)
    place.note(noted)
    assert place.verification() == verification_in(place.path) == noted


def test_what_a_folder_shows_without_its_key(place: Place, tmp_path: Path) -> None:
    made = backup(place, 0)
    (place.path / "backups" / "notes.txt").write_text("mine", encoding="utf-8")
    assert labels_in(place.path) == (made.label,)
    assert begun_at(made.label) == BEGUN
    assert labels_in(tmp_path / "nowhere") == ()
    assert verification_in(tmp_path / "nowhere") is None


def test_rows_between_the_counts_before_and_after_are_right() -> None:
    pytest.importorskip("psycopg", reason="psycopg is in the extra postgresql")
    from taxi_mlops.backup.scratch import differences

    wanted = {"a": {"public.t": RowCounts(least=2, most=3), "public.u": RowCounts(least=1, most=1)}, "b": {}}
    assert differences(wanted, {"a": {"public.t": 3, "public.u": 1, "public.new": 9}, "b": {}}) == []
    assert differences(wanted, {"a": {"public.t": 4}}) == [
        "table a.public.t has 4 rows, not 2 to 3",
        "table a.public.u is missing",
        "database b is missing",
    ]
