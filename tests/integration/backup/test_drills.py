"""Drills of recovery on real servers: what was lost comes back, and what is damaged is found.

The tests share a stack and run in their order; each leaves the stack as it found it.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from taxi_mlops.audit.listing import ActFilter, list_acts
from taxi_mlops.cli.main import app
from taxi_mlops.data.objects import ObjectStore
from taxi_mlops.errors import TaxiError
from taxi_mlops.stack.acts import stack_trail
from taxi_mlops.stack.programs import find_program

psycopg = pytest.importorskip("psycopg", reason="psycopg is in the extra postgresql")

pytestmark = pytest.mark.timeout(1800)  # restores on a loaded machine

ROWS = 1000
OBJECTS = {"2016/a.parquet": b"a" * 3_000_000, "2016/b.parquet": b"b", "empty": b""}


@dataclass
class Drill:
    """A stack with data, and the place of its backups."""

    services: Any
    place: Path

    @property
    def folder(self) -> Path:
        return self.services.stack.folder.path

    def taxi(self, *words: str, fails: type[Exception] | None = None) -> Result:
        given = ["backup", *words, "--dir", str(self.folder), "--at", str(self.place)]
        result = CliRunner().invoke(app, given)
        if fails is None:
            assert result.exit_code == 0, (result.output, result.exception)
        else:
            assert isinstance(result.exception, fails), result.output
        return result

    def sql(self, statement: str, database: str = "experiments") -> list[tuple[Any, ...]]:
        with psycopg.connect(self.services.administrator(database), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def rows(self) -> list[tuple[Any, ...]]:
        return self.sql("SELECT count(*), sum(number), md5(string_agg(text, ',' ORDER BY number)) FROM drill")

    @property
    def bucket(self) -> Any:
        return ObjectStore(self.services.settings).client

    def objects(self) -> dict[str, bytes]:
        listed = self.bucket.list_objects_v2(Bucket="taxi-data").get("Contents", [])
        return {
            each["Key"]: self.bucket.get_object(Bucket="taxi-data", Key=each["Key"])["Body"].read() for each in listed
        }


@pytest.fixture(scope="module")
def drill(module_services: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    pytest.importorskip("cryptography", reason="cryptography is in the extra stack")
    if find_program("pgbackrest") is None:
        pytest.skip("pgbackrest is not installed; deploy/native/install.sh gets it")
    services = module_services("postgresql", "object-store")
    # Beside the stack, where the user postgres may enter.
    drill = Drill(services, services.stack.folder.path.parent / "backups")
    drill.sql(f"CREATE TABLE drill AS SELECT number, md5(number::text) AS text FROM generate_series(1, {ROWS}) number")
    for key, content in OBJECTS.items():
        drill.bucket.put_object(Bucket="taxi-data", Key=key, Body=content, ContentType="text/csv")
    said = drill.taxi("create").output
    assert "3 objects" in said
    return drill


def test_a_backup_is_verified_by_a_restore_and_listed(drill: Drill) -> None:
    assert "nothing is damaged" in drill.taxi("verify").output
    lines = drill.taxi("list").output.splitlines()
    assert len(lines) == 2
    assert "3,000,001" in lines[1]
    assert (drill.place / "verified.json").is_file()


def test_nothing_in_the_place_can_be_read_without_the_key(drill: Drill) -> None:
    secret = drill.services.stack.folder.secret("experiments_database_password")
    for path in drill.place.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert secret.encode() not in content
            assert b"2016/a.parquet" not in content
            assert path.stat().st_mode & 0o077 in (0, 0o040), path  # pgBackRest's files may be read by its group


def test_a_dropped_database_and_deleted_objects_come_back(drill: Drill) -> None:
    before = drill.rows()
    drill.sql("DROP DATABASE experiments WITH (FORCE)", "postgres")
    for key in OBJECTS:
        drill.bucket.delete_object(Bucket="taxi-data", Key=key)
    said = drill.taxi("restore", "--yes", "--until", "backup").output
    assert "3 objects uploaded" in said
    assert drill.rows() == before
    assert drill.objects() == OBJECTS
    assert drill.bucket.head_object(Bucket="taxi-data", Key="empty")["ContentType"] == "text/csv"
    assert all(status.up for status in drill.services.stack.status())


def test_a_table_emptied_by_mistake_is_as_it_was_the_moment_before(drill: Drill) -> None:
    drill.taxi("create")
    drill.sql(f"INSERT INTO drill SELECT number, 'later' FROM generate_series({ROWS + 1}, {ROWS + 50}) number")
    before = drill.rows()
    time.sleep(1.1)  # a commit and the mistake are not of the same instant
    [(moment,)] = drill.sql("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')")
    time.sleep(1.1)
    drill.sql("TRUNCATE drill")
    drill.sql("SELECT pg_switch_wal()")
    drill.taxi("restore", "--yes", "--until", moment)
    assert drill.rows() == before
    assert before[0][0] == ROWS + 50


def test_a_stack_whose_folder_is_gone_comes_back_with_all_that_was_archived(
    drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = drill.services.stack.folder
    drill.taxi("create")
    drill.sql(f"INSERT INTO drill SELECT number, 'last' FROM generate_series({ROWS + 51}, {ROWS + 60}) number")
    drill.sql("SELECT pg_switch_wal()")
    before, settings = drill.rows(), folder.settings_file.read_text(encoding="utf-8")
    key = folder.secret("backup_key")
    monkeypatch.setenv("TAXI_BACKUP_KEY", key)
    drill.services.stack.down()  # PostgreSQL archives what it has as it ends
    shutil.rmtree(folder.path)
    drill.taxi("restore", "--yes")
    assert drill.rows() == before
    assert before[0][0] == ROWS + 60
    assert drill.objects() == OBJECTS
    kept = [line for line in settings.splitlines() if "password" in line]
    assert [
        line for line in folder.settings_file.read_text(encoding="utf-8").splitlines() if "password" in line
    ] == kept
    folder.write_secret("backup_key", key)  # it was in the folder alone


def flip(path: Path) -> bytes:
    """Change one bit in the middle of a file, and return what it was."""
    content = path.read_bytes()
    changed = bytearray(content)
    changed[len(changed) // 2] ^= 1
    path.write_bytes(changed)
    return content


def test_one_flipped_bit_is_found_and_named(drill: Drill) -> None:
    largest = max((drill.place / "contents").glob("*/*"), key=lambda path: path.stat().st_size)
    database = max((drill.place / "postgresql" / "backup" / "taxi" / "latest" / "bundle").iterdir(), key=_size)
    for path, named in ((largest, "object taxi-data/2016/a.parquet: "), (database, "checksum")):
        content = flip(path)
        said = str(drill.taxi("verify", fails=TaxiError).exception)
        assert " is damaged: " in said
        assert named in said
        assert "\n" not in said
        path.write_bytes(content)
    assert "nothing is damaged" in drill.taxi("verify").output


def _size(path: Path) -> int:
    return path.stat().st_size


def test_old_backups_are_removed_and_the_newest_still_verifies(drill: Drill) -> None:
    assert len(drill.taxi("list").output.splitlines()) == 4
    assert "removed 20" in drill.taxi("prune", "--keep", "1").output
    assert len(drill.taxi("list").output.splitlines()) == 2
    assert "nothing is damaged" in drill.taxi("verify").output
    acts, reason = list_acts(stack_trail(drill.services.stack.folder), ActFilter(action="backup"))
    assert reason is None
    assert (acts[0].action, acts[0].outcome, acts[0].details["keep"]) == ("backup.pruned", "done", 1)
    assert "backup.restored" in {act.action for act in acts}
