"""A Prefect block that stores the results of flow runs in the object store, and holds a bucket's name but no keys.

Keys come from the settings of the process that reads or writes, so that Prefect's database has none.
"""

from __future__ import annotations

import asyncio
from typing import Any

from prefect.filesystems import WritableFileSystem
from pydantic import Field

from taxi_mlops.data.objects import ObjectAddress, ObjectStore
from taxi_mlops.settings import load_settings


class ResultsInObjectStore(WritableFileSystem):
    """A folder of a bucket in the object store that the settings name."""

    _block_type_name = "Taxi results"
    _block_type_slug = "taxi-results"

    bucket: str = Field(description="Name of the bucket.")
    prefix: str = Field(default="prefect-results/", description="Prefix of the keys.")

    async def read_path(self, path: str) -> bytes:
        """Read a result. Raises DataError or DownloadError if the object store fails."""
        return await asyncio.to_thread(self._read, self._address(path))

    async def write_path(self, path: str, content: bytes) -> None:
        """Write a result. Raises DataError or DownloadError if the object store fails."""
        await asyncio.to_thread(self._write, self._address(path), content)

    def _address(self, path: str) -> ObjectAddress:
        return ObjectAddress(self.bucket, f"{self.prefix}{path}")

    def _read(self, address: ObjectAddress) -> bytes:
        store = ObjectStore(load_settings())
        with store.errors(address):
            answer: dict[str, Any] = store.client.get_object(Bucket=address.bucket, Key=address.key)
            content: bytes = answer["Body"].read()
        return content

    def _write(self, address: ObjectAddress, content: bytes) -> None:
        store = ObjectStore(load_settings())
        with store.errors(address):
            store.client.put_object(Bucket=address.bucket, Key=address.key, Body=content)
