"""Files put into a real object store: whole and checked, or to be continued."""

from __future__ import annotations

import os

import pytest

from taxi_mlops.data.objects import ObjectAddress, ObjectStore
from taxi_mlops.errors import DataError, ServiceError, UsageError
from taxi_mlops.storage import objects
from taxi_mlops.storage.objects import list_objects, push

PART = 5 << 20
"""The least that S3 takes as a part."""


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A file of four parts."""
    monkeypatch.setattr(objects, "_PART_BYTES", PART)
    path = tmp_path / "trips.bin"
    path.write_bytes(os.urandom(3 * PART + 1_000))
    return path


def stored(bucket, name):
    address = ObjectAddress.parse(bucket.address(name))
    return bucket.client.get_object(Bucket=address.bucket, Key=address.key)["Body"].read()


def unfinished(bucket):
    answer = bucket.client.list_multipart_uploads(Bucket="taxi-data", Prefix=f"{bucket.prefix}/trips.bin")
    return answer.get("Uploads", [])


def test_a_file_arrives_whole_with_its_checksum(bucket, file):
    progress_calls = []
    pushed = push(file, bucket.address(""), bucket.settings, lambda *progress: progress_calls.append(progress))
    assert stored(bucket, "trips.bin") == file.read_bytes()
    assert (pushed.uri, pushed.size, pushed.sent_bytes) == (
        bucket.address("trips.bin"),
        len(file.read_bytes()),
        PART * 3 + 1000,
    )
    assert pushed.checksum.endswith("-4")
    assert progress_calls[-1] == ("Pushing", pushed.size, pushed.size)
    (entry,) = list_objects(f"{bucket.prefix}/", bucket.settings)
    assert (str(entry.address), entry.size, entry.etag) == (pushed.uri, pushed.size, pushed.etag)
    assert unfinished(bucket) == []


def test_pushing_again_sends_nothing_and_another_content_all(bucket, file):
    first = push(file, bucket.address("trips.bin"), bucket.settings)
    again = push(file, bucket.address("trips.bin"), bucket.settings)
    assert (again.sent_bytes, again.etag, again.version) == (0, first.etag, first.version)
    file.write_bytes(bytes(3 * PART + 1_000))
    other = push(file, bucket.address("trips.bin"), bucket.settings)
    assert other.sent_bytes == other.size
    assert stored(bucket, "trips.bin") == file.read_bytes()
    assert other.version is None or other.version != first.version


def test_a_small_file_needs_no_parts(bucket, tmp_path):
    small = tmp_path / "small.csv"
    small.write_text("lat,lon\n1,2\n")
    pushed = push(small, bucket.address("a folder/small.csv"), bucket.settings)
    assert stored(bucket, "a folder/small.csv") == small.read_bytes()
    assert "-" not in pushed.checksum
    assert push(small, bucket.address("a folder/small.csv"), bucket.settings).sent_bytes == 0


def test_an_interrupted_push_continues_where_it_stopped(bucket, file, start_proxy, monkeypatch):
    monkeypatch.setattr(objects, "_AT_ONCE", 1)
    proxy = start_proxy(bucket.port)
    proxy.cut_from_client = 2 * PART + PART // 2
    settings = bucket.by(proxy.port, service_timeout_seconds=5)
    with pytest.raises(ServiceError, match="push it again to send the rest") as caught:
        push(file, bucket.address("trips.bin"), settings)
    assert "\n" not in str(caught.value)
    assert ObjectStore(bucket.settings).head(ObjectAddress.parse(bucket.address("trips.bin"))) is None
    pushed = push(file, bucket.address("trips.bin"), bucket.settings)
    assert pushed.sent_bytes == PART + 1_000
    assert stored(bucket, "trips.bin") == file.read_bytes()
    assert unfinished(bucket) == []


def test_going_on_never_mixes_two_contents(bucket, file, start_proxy, monkeypatch):
    """The file was replaced between: parts that are not its own are sent again."""
    monkeypatch.setattr(objects, "_AT_ONCE", 1)
    proxy = start_proxy(bucket.port)
    proxy.cut_from_client = 2 * PART + PART // 2
    with pytest.raises(ServiceError):
        push(file, bucket.address("trips.bin"), bucket.by(proxy.port, service_timeout_seconds=5))
    content = bytearray(file.read_bytes())
    content[0] ^= 1
    file.write_bytes(content)
    assert push(file, bucket.address("trips.bin"), bucket.settings).sent_bytes == 2 * PART + 1_000
    assert stored(bucket, "trips.bin") == content


def test_a_file_that_grows_meanwhile_is_refused(bucket, file):
    def grow(*_):
        with file.open("ab") as content:
            content.write(b"more")

    with pytest.raises(DataError, match="was changed while it was pushed"):
        push(file, bucket.address("trips.bin"), bucket.settings, grow)
    assert ObjectStore(bucket.settings).head(ObjectAddress.parse(bucket.address("trips.bin"))) is None


@pytest.mark.parametrize(
    ("name", "target", "said"),
    [
        ("missing.csv", "s3://taxi-data/x", "there is no such file"),
        (".", "s3://taxi-data/x", "is a folder"),
        ("empty", "s3://taxi-data/x", "the file is empty"),
        ("file", "http://taxi-data/x", "objects are named like s3://bucket/key"),
        ("file", "s3://no-such-bucket-here/x", r"no-such-bucket-here"),
    ],
)
def test_says_what_is_wrong(bucket, tmp_path, name, target, said):
    (tmp_path / "empty").touch()
    (tmp_path / "file").write_text("a")
    with pytest.raises(DataError, match=said):
        push(tmp_path / name, target, bucket.settings)


def test_a_store_that_never_answers_is_given_up(bucket, file, silent_port):
    with pytest.raises(ServiceError, match=r"gave no answer for 0\.5 s"):
        push(file, bucket.address("x"), bucket.by(silent_port))


def test_half_a_pair_of_keys_is_a_wrong_setting(bucket):
    with pytest.raises(UsageError, match="cannot be used: Partial credentials"):
        ObjectStore(bucket.settings.model_copy(update={"object_store_secret_key": None}))
