"""Who may do what on the stack, and that no secret is seen."""

from __future__ import annotations

import os
import posixpath
import subprocess
import sys
import threading
from base64 import b64encode
from http.client import HTTPConnection
from itertools import permutations
from pathlib import Path

import httpx
import psutil
import pytest
from pydantic import SecretStr

from taxi_mlops.data.objects import ObjectAddress, ObjectStore
from taxi_mlops.stack.administration import BUCKETS
from taxi_mlops.stack.services.object_store import secret_key
from taxi_mlops.stack.services.postgresql import database_password

psycopg = pytest.importorskip("psycopg", reason="psycopg is in the extra postgresql")

OWNED = {"prefect": ["prefect"], "mlflow": ["mlflow", "mlflow_auth"], "experiments": ["experiments"]}


def connect(services, role, database):
    folder = services.stack.folder
    return psycopg.connect(
        host="127.0.0.1",
        port=folder.port("postgresql"),
        user=role,
        password=database_password(folder, role),
        dbname=database,
        connect_timeout=5,
    )


@pytest.mark.parametrize(("role", "other"), tuple(permutations(OWNED, 2)))
def test_a_role_cannot_reach_the_databases_of_another(start_services, role, other):
    services = start_services("postgresql")
    for database in (*OWNED[other], "postgres", "template1"):
        with pytest.raises(psycopg.OperationalError, match=f'permission denied for database "{database}"'):
            connect(services, role, database)


@pytest.mark.parametrize("role", OWNED)
def test_a_role_owns_its_databases_and_may_do_nothing_else(start_services, role):
    services = start_services("postgresql")
    for database in OWNED[role]:
        with connect(services, role, database) as connection:
            connection.execute("CREATE TABLE own (id INTEGER)")
            connection.rollback()
            rights = connection.execute(
                "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles "
                "WHERE rolname = current_user"
            ).fetchone()
            members = connection.execute("SELECT count(*) FROM pg_auth_members WHERE member = current_user::regrole")
            assert rights == (False,) * 5
            assert members.fetchone() == (0,)


def listening(services):
    """Every address that a process of the stack listens on."""
    started = [psutil.Process(status.pid) for status in services.stack.status()]
    family = [process for root in started for process in (root, *root.children(recursive=True))]
    return {each.laddr.ip for process in family for each in process.net_connections() if each.status == "LISTEN"}


def test_only_loopback_is_listened_on(start_services):
    assert listening(start_services("mlflow", "redis")) <= {"127.0.0.1", "::1"}


@pytest.mark.parametrize("kind", ["MinIO", "SeaweedFS"])
def test_a_user_of_the_object_store_has_its_own_bucket_only(own_services, kind, tmp_path, monkeypatch):
    from botocore.exceptions import ClientError

    from taxi_mlops.stack.programs import find_program

    program = find_program("minio" if kind == "MinIO" else "weed")
    if program is None:
        pytest.skip(f"{kind} is not installed")
    monkeypatch.setenv("PATH", os.pathsep.join((str(Path(program).parent), os.environ["PATH"])))
    monkeypatch.setenv("HOME", str(tmp_path))
    services = own_services()
    services.stack.folder.make()
    (services.stack.folder.data("object-store") / kind.lower()).mkdir()
    services.up("object-store")
    assert kind in services.stack.status()[0].version
    assert listening(services) <= {"127.0.0.1", "::1"}
    assert list(tmp_path.iterdir()) == [], "it keeps its files in the stack's folder"
    for user, own in BUCKETS.items():
        key = SecretStr(secret_key(services.stack.folder, user))
        given = {"object_store_access_key": user, "object_store_secret_key": key}
        client = ObjectStore(services.settings.model_copy(update=given)).client
        client.put_object(Bucket=own, Key="mine", Body=b"trips")
        assert client.get_object(Bucket=own, Key="mine")["Body"].read() == b"trips"
        assert client.get_bucket_versioning(Bucket=own)["Status"] == "Enabled"
        others = next(bucket for bucket in BUCKETS.values() if bucket != own)
        for ask, where in (
            (client.list_objects_v2, {"Bucket": others}),
            (client.get_object, {"Bucket": others, "Key": "mine"}),
            (client.put_object, {"Bucket": others, "Key": "not-mine", "Body": b""}),
            (client.create_bucket, {"Bucket": "one-more"}),
        ):
            with pytest.raises(ClientError, match=r"AccessDenied|403"):
                ask(**where)


OUTSIDE = ("../../outside", "a/../../../outside", "%2e%2e/%2e%2e/outside", "..%2f..%2foutside", "//etc/outside")


def test_an_uploaded_artifact_cannot_leave_its_folder(start_services):
    services = start_services("mlflow")
    settings = services.settings
    address = settings.mlflow_uri.get_secret_value()
    user = (settings.mlflow_username, settings.mlflow_password.get_secret_value())
    with httpx.Client(base_url=f"{address}/api/2.0/mlflow", auth=user, timeout=10) as client:
        experiment = client.post("/experiments/create", json={"name": "artifacts' folders"}).json()["experiment_id"]
        run = client.post("/runs/create", json={"experiment_id": experiment}).json()["run"]["info"]["run_id"]
    place = f"{experiment}/{run}/artifacts"

    def put(name):
        """As it stands: clients of HTTP tidy addresses up."""
        connection = HTTPConnection(address.removeprefix("http://"), timeout=10)
        authorization = f"Basic {b64encode(':'.join(user).encode()).decode()}"
        path = f"/api/2.0/mlflow-artifacts/artifacts/{place}/{name}"
        connection.request("PUT", path, b"x", {"Authorization": authorization})
        status = connection.getresponse().status
        connection.close()
        return status

    key = SecretStr(secret_key(services.stack.folder, "mlflow"))
    given = {"object_store_access_key": "mlflow", "object_store_secret_key": key}
    store = ObjectStore(settings.model_copy(update=given))

    def stored():
        return {entry.address.key for entry in store.entries(ObjectAddress(BUCKETS["mlflow"], ""))}

    before = stored()  # of other tests on the same services
    assert put("inside") == 200
    # SeaweedFS takes the last one for a name below the folder; MinIO refuses it.
    assert {name for name in OUTSIDE if put(name) < 400} <= {"//etc/outside"}
    added = stored() - before
    assert f"{place}/inside" in added
    assert not [name for name in added if not posixpath.normpath(name).startswith(f"{place}/")]


class CommandLines:
    """Every command line that some process of this machine had while it was watched."""

    def __init__(self):
        self.seen = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _watch(self):
        while not self._over.wait(0.2):
            for process in psutil.process_iter(["cmdline"]):
                self.seen.add(" ".join(process.info["cmdline"] or ()))


def test_no_secret_is_seen_during_a_whole_run(start_services, own_services, tmp_path):
    """From a first start of services to the run's page: no command line, no log, nothing in the run's folder."""
    trips = tmp_path / "trips.csv"
    lines = [f"{-33.44 + number % 20 * 1e-4:.6f},{-70.65 + number // 20 * 1e-4:.6f}" for number in range(300)]
    trips.write_text("\n".join(["north,east", *lines]), encoding="utf-8")
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "taxi_mlops.cli", "compare", str(trips), "--lat", "north", "--lon", "east"]
    options = ["--adapters", "sklearn", "--repeats", "1", "--output", str(folder), "--no-flow", "-v"]
    with CommandLines() as watched:
        # One stack to see start from nothing, another that the session's tests share.
        new, shared = own_services("postgresql", "redis", "object-store"), start_services("mlflow", "redis")
        environment = {
            **os.environ,
            "TAXI_SETTINGS": str(shared.stack.folder.settings_file),
            "TAXI_CACHE_DIR": str(tmp_path / "cache"),
        }
        done = subprocess.run([*command, *options], capture_output=True, env=environment, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert b"not recorded" not in done.stderr
    for watched_program in ("initdb", "redis-server", "mlflow", "compare"):
        assert any(watched_program in line for line in watched.seen), watched_program
    stacks = [services.stack.folder for services in (new, shared)]
    files = [path for stack in stacks for path in (stack.path / "secrets").iterdir() if path.name != "identifier"]
    assert {"mlflow_password", "redis_password", "experiments_database_password"} <= {path.name for path in files}
    written = [path for place in (*(stack.logs for stack in stacks), folder) for path in place.rglob("*")]
    contents = {path: path.read_bytes() for path in written if path.is_file()}
    assert {"mlflow.log", "postgresql.log", "log.jsonl", "report.html"} <= {path.name for path in contents}
    contents["output"] = done.stdout + done.stderr
    for file in files:
        secret = file.read_text(encoding="utf-8")
        assert not [line for line in watched.seen if secret in line], f"{file.name} is on a command line"
        assert not [path for path, text in contents.items() if secret.encode() in text], f"{file.name} is written down"
