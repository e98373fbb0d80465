"""`taxi exporter`: the metrics of the platform, and where they are served."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from pydantic import HttpUrl, SecretStr

from taxi_mlops.data.synthetic import write_parquet
from taxi_mlops.errors import DataError
from taxi_mlops.features.definitions import versions
from taxi_mlops.features.store import Contents, Part
from taxi_mlops.health.exporter import platform_registry, serve
from taxi_mlops.health.service_probes import Probe, addresses, probe
from taxi_mlops.health.table_watch import TableWatch
from taxi_mlops.recording.recordings import note
from taxi_mlops.recording.store import StoreRecorder
from taxi_mlops.results.documents import to_json
from taxi_mlops.service_urls import ServiceUrl
from taxi_mlops.settings import Settings
from taxi_mlops.testing.sample_runs import make_run
from taxi_mlops.versions import TableState, commit, table_state

EXPIRY = datetime.datetime(2099, 1, 2, tzinfo=datetime.UTC)


@pytest.fixture
def listening() -> Iterator[str]:
    """`host:port` that takes connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def nobody() -> Iterator[str]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of 127.0.0.1 with its key, signed by itself."""
    x509 = pytest.importorskip("cryptography.x509", reason="cryptography comes with the extra tracking")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(EXPIRY)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


@pytest.fixture
def tls(certificate: Path) -> Iterator[str]:
    """`host:port` that shakes hands."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def shake_hands() -> None:
            connection, _ = server.accept()
            with connection, context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as ours:
                try:
                    ours.do_handshake()
                    ours.recv(1)
                except OSError:  # they do not trust us
                    return

        thread = threading.Thread(target=shake_hands)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def test_a_trusted_certificates_expiry_is_reported(tls: str, certificate: Path) -> None:
    assert probe(f"https://{tls}", certificate, 10.0) == Probe(up=True, expiry=EXPIRY.timestamp())


def test_a_certificate_that_is_not_trusted_is_no_service(tls: str) -> None:
    assert probe(f"https://{tls}", None, 10.0) == Probe(up=False)


def test_without_tls_a_connection_is_enough(listening: str, nobody: str) -> None:
    assert probe(f"http://{listening}/api", None, 10.0) == Probe(up=True)
    assert probe(f"postgresql+psycopg://user:word@{nobody}/taxi", None, 10.0) == Probe(up=False)


def test_services_that_are_files_are_not_asked(tmp_path: Path) -> None:
    settings = Settings(runs_dir=tmp_path, redis_url=SecretStr("redis://:x@host:1/2"), mlflow_uri=SecretStr("off"))
    assert addresses(settings) == {"redis": "redis://:x@host:1/2"}


def write_features(folder: Path) -> None:
    """Write a store of one month: 10 bytes of hotspots and 5 of trips."""
    parts = {name: Part(file=f"{name}.parquet", source="trips.csv", data_version="v") for name in ("hotspots", "trips")}
    contents = Contents(
        model="city",
        model_version="3",
        features=versions(),
        known_at="the pickup (time)",
        timezone="America/Santiago",
        since=None,
        first=datetime.datetime(2016, 6, 1, 1),
        last=datetime.datetime(2016, 6, 1, 8),
        has_dropoffs=False,
        months={"2016-06": parts["hotspots"]},
        trips=parts["trips"],
        notes=(),
    )
    folder.mkdir(parents=True)
    (folder / "features.json").write_text(to_json(contents), encoding="utf-8")
    for name, size in (("hotspots", 10), ("trips", 5)):
        (folder / f"{name}.parquet").write_bytes(bytes(size))


def test_what_waits_and_what_answers_is_served_at_loopback(tmp_path: Path, listening: str, nobody: str) -> None:
    run = make_run(tmp_path / "runs" / "one")
    note(run, StoreRecorder(ServiceUrl("sqlite:///x.db")), "cannot be reached")
    (tmp_path / "runs" / "two").mkdir()
    (tmp_path / "runs" / "two" / "recordings.json").write_text("{", encoding="utf-8")
    write_features(tmp_path / "features" / "city")
    (tmp_path / "features" / "broken").mkdir()
    (tmp_path / "features" / "broken" / "features.json").write_text("{", encoding="utf-8")
    (tmp_path / "place" / "backups").mkdir(parents=True)
    (tmp_path / "place" / "backups" / "20160601T120000Z").touch()
    settings = Settings(
        runs_dir=tmp_path / "runs",
        features_dir=tmp_path / "features",
        backup_dir=tmp_path / "place",
        mlflow_uri=SecretStr("off"),
        pushgateway_url=HttpUrl(f"http://{listening}"),
        prefect_api_url=HttpUrl(f"http://{nobody}/api"),
    )
    server = serve(platform_registry(settings, ("store", "mlflow")), "127.0.0.1", 0)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
    finally:
        server.shutdown()
        server.server_close()
    for line in (
        'taxi_features_last_timestamp_seconds{model="city"} 1.4647824e+09',  # 8:00 in Santiago
        'taxi_features_bytes{model="city"} 15.0',
        "taxi_backup_created_timestamp_seconds 1.4647824e+09",
        "taxi_backup_verified_timestamp_seconds 0.0",
        'taxi_recorder_backlog_runs{recorder="store"} 1.0',
        'taxi_recorder_backlog_runs{recorder="mlflow"} 0.0',
        'taxi_service_up{service="pushgateway"} 1.0',
        'taxi_service_up{service="prefect"} 0.0',
    ):
        assert line in lines
    assert server.server_address[0] == "127.0.0.1"
    assert not [line for line in lines if line.startswith("taxi_flow_runs")]
    assert [line for line in lines if line.startswith("process_cpu_seconds_total")]


def metrics_of(settings: Settings) -> list[str]:
    return generate_latest(platform_registry(settings, ())).decode().splitlines()


def test_the_table_of_trips_is_exported(tmp_path: Path) -> None:
    pytest.importorskip("deltalake", reason="deltalake is in the extra delta")
    settings = Settings(runs_dir=tmp_path, trips_table=str(tmp_path / "trips"), mlflow_uri=SecretStr("off"))
    assert not [line for line in metrics_of(settings) if line.startswith("taxi_table")]
    for seed in (1, 2):
        write_parquet(tmp_path / f"{seed}.parquet", rows=1500, seed=seed)
        commit([str(tmp_path / f"{seed}.parquet")], str(tmp_path / "trips"), settings)
    write_parquet(tmp_path / "few.parquet", rows=3, seed=3)
    with pytest.raises(DataError, match="not committed"):
        commit([str(tmp_path / "few.parquet")], str(tmp_path / "trips"), settings)
    state = table_state(str(tmp_path / "trips"), settings)
    label = f'{{table="{tmp_path / "trips"}"}}'
    values = dict(line.rsplit(" ", 1) for line in metrics_of(settings) if line.startswith("taxi_table"))
    assert state.committed is not None
    assert state.failed is not None
    assert {name.removesuffix(label): float(value) for name, value in values.items()} == {
        "taxi_table_commit_timestamp_seconds": state.committed.timestamp(),
        "taxi_table_rows": 3000.0,
        "taxi_table_bytes": sum(path.stat().st_size for path in (tmp_path / "trips").glob("month=*/*")),
        "taxi_table_quarantined_commits": 1.0,
        "taxi_table_quarantine_timestamp_seconds": state.failed.timestamp(),
        "taxi_table_drift_index": state.drift,
    }


def test_a_table_that_does_not_answer_delays_no_scrape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    state = TableState("trips", 0, 1, 2, None, 0, None, None)

    def slow(table: str, settings: Settings) -> TableState:
        assert (table, settings.trips_table) == ("trips", "trips")
        answered.wait(60)
        return state

    monkeypatch.setattr("taxi_mlops.health.table_watch.table_state", slow)
    watch = TableWatch(Settings(runs_dir=tmp_path, trips_table="trips"))
    assert watch.state(0.0) is None
    answered.set()
    assert watch.state(60.0) == state
    assert TableWatch(Settings(runs_dir=tmp_path)).state(60.0) is None
