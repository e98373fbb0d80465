"""Copy the buckets of a stack's object store into a place of backups, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from botocore.exceptions import BotoCoreError, ClientError

from taxi_mlops.backup.encryption import BackupKey
from taxi_mlops.backup.manifest import BackedUpObject
from taxi_mlops.backup.place import Place
from taxi_mlops.errors import ServiceError
from taxi_mlops.stack.administration import ADMINISTRATOR, BUCKETS, object_store_client
from taxi_mlops.stack.folder import StackFolder
from taxi_mlops.stack.services.object_store import object_store_url, secret_key


class Buckets:
    """The buckets of a stack. Methods raise ServiceError with one line."""

    def __init__(self, stack: StackFolder, place: Place, key: BackupKey) -> None:
        self._client: Any = object_store_client(object_store_url(stack), secret_key(stack, ADMINISTRATOR)).client
        self._place = place
        self._key = key

    def back_up(self, earlier: Mapping[str, tuple[BackedUpObject, ...]]) -> dict[str, tuple[BackedUpObject, ...]]:
        """Copy the latest version of each object. earlier: those of a backup before, which are not read again."""
        with _errors():
            return {
                bucket: tuple(self._objects(bucket, {each.key: each for each in earlier.get(bucket, ())}))
                for bucket in BUCKETS.values()
            }

    def restore(self, buckets: Mapping[str, tuple[BackedUpObject, ...]]) -> int:
        """Upload each object that is missing or different, and return how many were. Others stay as they are."""
        written = 0
        with _errors():
            for bucket, objects in buckets.items():
                there = {key: etag for key, etag, _ in self._listed(bucket)}
                for each in objects:
                    if there.get(each.key) != each.etag:
                        self._upload(bucket, each)
                        written += 1
        return written

    def _objects(self, bucket: str, earlier: Mapping[str, BackedUpObject]) -> Iterator[BackedUpObject]:
        for key, etag, size in self._listed(bucket):
            before = earlier.get(key)
            if (
                before is not None
                and (before.etag, before.size) == (etag, size)
                and self._place.holds(before.sha256, self._key)
            ):
                yield before
                continue
            try:
                found = self._client.get_object(Bucket=bucket, Key=key)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") == "NoSuchKey":
                    continue  # deleted since it was listed
                raise
            with found["Body"] as body:
                sha256, read = self._place.put(cast(BinaryIO, body), self._key)
            yield BackedUpObject(
                key=key,
                size=read,
                sha256=sha256,
                etag=found["ETag"].strip('"'),
                content_type=found.get("ContentType"),
                metadata=found.get("Metadata", {}),
            )

    def _listed(self, bucket: str) -> Iterator[tuple[str, str, int]]:
        """Return key, ETag and size of each object."""
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for each in page.get("Contents", []):
                yield each["Key"], each["ETag"].strip('"'), each["Size"]

    def _upload(self, bucket: str, each: BackedUpObject) -> None:
        more: dict[str, Any] = {"Metadata": each.metadata}
        if each.content_type is not None:
            more["ContentType"] = each.content_type
        with self._place.get(each.sha256, self._key) as content:
            self._client.upload_fileobj(content, bucket, each.key, ExtraArgs=more)


@contextmanager
def _errors() -> Iterator[None]:
    from boto3.exceptions import Boto3Error

    try:
        yield
    except (BotoCoreError, ClientError, Boto3Error) as error:
        raise ServiceError(f"the object store failed: {' '.join(str(error).split())}") from None
