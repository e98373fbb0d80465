"""Trips read from a real object store: the same points as from a file, few bytes, and errors that say what happened."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr

from taxi_mlops.data.inspect import inspect
from taxi_mlops.data.load import LoadRequest, load_points
from taxi_mlops.data.sources import resolve
from taxi_mlops.data.synthetic import write_parquet
from taxi_mlops.errors import DataError, DownloadError

ROWS = 60_000


@pytest.fixture(scope="module")
def parquet(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("trips") / "city.parquet"
    write_parquet(path, ROWS)
    return path


@pytest.fixture(scope="module")
def csv(parquet) -> Path:
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    path = parquet.with_suffix(".csv")
    pc.write_csv(pq.read_table(parquet), path)
    return path


def same(points, others):
    return (
        points.fingerprint == others.fingerprint
        and points.provenance.rows_read == others.provenance.rows_read
        and points.provenance.dropped == others.provenance.dropped
    )


@pytest.mark.parametrize("kind", ["parquet", "csv", "csv.gz"])
def test_an_object_gives_the_points_of_the_file(bucket, parquet, csv, kind):
    content = {
        "parquet": parquet.read_bytes,
        "csv": csv.read_bytes,
        "csv.gz": lambda: gzip.compress(csv.read_bytes(), 1),
    }[kind]()
    address = bucket.put(f"city.{kind}", content)
    points = load_points(LoadRequest(source=address, points="dropoff"), bucket.settings)
    assert same(points, load_points(LoadRequest(source=str(parquet), points="dropoff"), bucket.settings))
    (found,) = resolve(address, bucket.settings).files
    assert points.provenance.uri == address
    assert points.provenance.data_version == found.identity
    assert found.etag in found.identity
    assert found.version is None or found.version in found.identity
    assert inspect(LoadRequest(source=address), bucket.settings).rows_read == ROWS


def test_a_pattern_takes_all_objects_that_match_by_name(bucket, parquet):
    for name in ("2016-02.parquet", "2016-01.parquet", "2017-01.parquet"):
        bucket.put(name, parquet.read_bytes())
    source = resolve(bucket.address("2016-*.parquet"), bucket.settings)
    assert [file.address.key.rpartition("/")[2] for file in source.files] == ["2016-01.parquet", "2016-02.parquet"]
    points = load_points(LoadRequest(source=source.uri), bucket.settings)
    assert points.provenance.rows_read == 2 * ROWS
    assert len(points.provenance.data_version) == 16
    bucket.put("what[1]?.parquet", parquet.read_bytes())
    assert len(resolve(bucket.address("what[1]?.parquet"), bucket.settings).files) == 1


def test_only_the_columns_that_are_needed_travel(bucket, parquet, start_proxy):
    address = bucket.put("city.parquet", parquet.read_bytes())
    proxy = start_proxy(bucket.port)
    load_points(LoadRequest(source=address), bucket.by(proxy.port, service_timeout_seconds=10))
    assert 0 < proxy.from_service < 0.6 * parquet.stat().st_size


def test_requests_are_spans_of_the_run_without_any_secret(bucket, parquet, unused_port, traced, tmp_path):
    address = bucket.put("city.parquet", parquet.read_bytes())
    with traced() as spans:
        load_points(LoadRequest(source=address), bucket.settings)
        with pytest.raises(DataError):
            resolve(bucket.address("gone.parquet"), bucket.settings)
        with pytest.raises(DownloadError):
            resolve(address, bucket.by(unused_port))
    names = [span["name"] for span in spans]
    assert {"S3 HeadObject", "S3 GetObject", "S3 HeadBucket"} <= set(names)
    got = spans[names.index("S3 GetObject")]
    assert (got["kind"], got["attributes"]["http.response.status_code"]) == (3, "206")
    assert got["attributes"]["url.full"].endswith(address.removeprefix("s3:/"))
    statuses = [span["attributes"].get("http.response.status_code") for span in spans if span["status"].get("code")]
    assert statuses == ["404", None, None]  # the last two: nobody was there, and was asked again
    secret = bucket.settings.object_store_secret_key.get_secret_value()
    assert not [word for word in (secret, "Signature", "?") if word in (tmp_path / "trace.jsonl").read_text()]


def test_zones_may_lie_in_the_store_too(bucket, shared_data, tmp_path):
    trips = tmp_path / "trips.csv"
    trips.write_text("PULocationID,DOLocationID\n4,5\n4,7\n")
    zones = bucket.put("taxi_zones.zip", (shared_data / "taxi_zones.zip").read_bytes())
    points = load_points(LoadRequest(source=str(trips), zones=zones), bucket.settings)
    np.testing.assert_array_equal(points.weight, [2.0])


def refused(bucket, address, settings=None, **options):
    with pytest.raises((DataError, DownloadError)) as caught:
        load_points(LoadRequest(source=address, **options), settings or bucket.settings)
    line = str(caught.value)
    assert "\n" not in line
    assert bucket.settings.object_store_secret_key.get_secret_value() not in line
    return line


def test_what_is_missing_is_an_error(bucket):
    assert "there is no such object at http://127.0.0.1" in refused(bucket, bucket.address("nothing.csv"))
    assert "no object matches" in refused(bucket, bucket.address("*.csv"))
    assert "is a folder; name its objects" in refused(bucket, bucket.address(""))
    assert "objects are named like s3://bucket/key" in refused(bucket, "s3:///nothing")
    assert "buckets in small letters" in refused(bucket, "s3://Taxi-Data/trips.csv")


def test_a_refused_reader_is_advised_which_settings_to_check(bucket):
    wrong = bucket.settings.model_copy(update={"object_store_secret_key": SecretStr("not the key at all")})
    line = refused(bucket, bucket.address("x.csv"), wrong)
    assert "refuses" in line
    assert "TAXI_OBJECT_STORE_SECRET_KEY" in line
    assert "not the key" not in line
    assert "refuses (" in refused(bucket, "s3://mlflow-artifacts/x.csv")


def test_without_keys_the_settings_are_named(bucket, monkeypatch):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    nobody = bucket.settings.model_copy(update={"object_store_access_key": None, "object_store_secret_key": None})
    assert "set TAXI_OBJECT_STORE_URL, TAXI_OBJECT_STORE_ACCESS_KEY" in refused(bucket, bucket.address("x"), nobody)


def test_a_store_that_never_answers_is_given_up(bucket, silent_port):
    line = refused(bucket, bucket.address("x.csv"), bucket.by(silent_port))
    assert "gave no answer for 0.5 s (TAXI_SERVICE_TIMEOUT_SECONDS)" in line


def test_an_absent_store_is_an_error(bucket, silent_port):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert f"http://127.0.0.1:{port} cannot be reached" in refused(bucket, bucket.address("x.csv"), bucket.by(port))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("change", ["replaced", "removed"])
def test_a_change_while_reading_is_an_error(bucket, parquet, csv, kind, change):
    """Opening has seen one version; reading must not mix it with another."""
    from taxi_mlops.data.load import open_trips

    content = {"csv": csv, "parquet": parquet}[kind].read_bytes()
    address = bucket.put(f"trips.{kind}", content)
    trips = open_trips(LoadRequest(source=address), bucket.settings)
    if change == "replaced":
        bucket.put(f"trips.{kind}", content + b"\n")
    else:
        bucket.delete(f"trips.{kind}")
    with pytest.raises((DownloadError, DataError)) as caught:
        trips.read()
    said = {"replaced": "was replaced while it was read", "removed": "was it removed meanwhile?"}[change]
    assert said in str(caught.value)


def test_a_truncated_object_is_an_error(bucket, parquet, csv):
    half = bucket.put("half.parquet", parquet.read_bytes()[: parquet.stat().st_size // 2])
    assert "truncated or corrupt" in refused(bucket, half)
    assert "the file is empty" in refused(bucket, bucket.put("empty.csv", b""))
    assert "broken line" in refused(bucket, bucket.put("half.csv", csv.read_bytes()[:-30]))


def test_a_connection_that_breaks_is_taken_up_again(bucket, csv, start_proxy):
    address = bucket.put("city.csv", csv.read_bytes())
    proxy = start_proxy(bucket.port)
    settings = bucket.by(proxy.port, service_timeout_seconds=10)
    (found,) = resolve(address, settings).files
    proxy.cut_after, proxy.cuts = 600_000, 2
    with found.open_stream() as stream:
        assert stream.read() == csv.read_bytes()
    assert not proxy.cuts


def test_a_connection_that_breaks_repeatedly_is_an_error(bucket, csv, start_proxy):
    address = bucket.put("city.csv", csv.read_bytes())
    proxy = start_proxy(bucket.port)
    (found,) = resolve(address, bucket.by(proxy.port, service_timeout_seconds=10)).files
    proxy.cut_after, proxy.cuts = 700_000, 100
    with pytest.raises(DownloadError, match=r"truncated: .* broke off 3 times, at last after [\d,]+ of [\d,]+ bytes"):
        found.open().read()


def test_a_broken_connection_comes_through_the_readers_as_it_is(bucket, parquet, start_proxy):
    """Arrow reads ahead in threads of its own."""
    address = bucket.put("city.parquet", parquet.read_bytes())
    proxy = start_proxy(bucket.port)
    settings = bucket.by(proxy.port, service_timeout_seconds=10)
    proxy.cut_after, proxy.cuts = 100_000, 100
    line = refused(bucket, address, settings)
    assert "broke off" in line or "cannot be reached" in line


def test_the_whole_way_from_the_command_line(bucket, parquet, tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from taxi_mlops.cli.main import app

    settings = bucket.settings
    monkeypatch.setenv("TAXI_OBJECT_STORE_URL", str(settings.object_store_url))
    monkeypatch.setenv("TAXI_OBJECT_STORE_ACCESS_KEY", settings.object_store_access_key)
    monkeypatch.setenv("TAXI_OBJECT_STORE_SECRET_KEY", settings.object_store_secret_key.get_secret_value())
    run = CliRunner().invoke
    file = tmp_path / "trips one.parquet"
    shutil.copy(parquet, file)
    pushed = run(app, ["data", "push", str(file), bucket.address("")], catch_exceptions=False)
    assert pushed.exit_code == 0, pushed.output
    listed = run(app, ["data", "list", f"{bucket.prefix}/"], catch_exceptions=False)
    assert f"{file.stat().st_size:,}" in listed.output
    inspected = run(app, ["data", "inspect", bucket.address(file.name)], catch_exceptions=False)
    assert f"{ROWS:,}" in inspected.output
