"""What flow runs return, kept in the object store: a block of Prefect's that knows a bucket and no keys.

Keys come from the settings of whoever reads or writes, so that Prefect's database holds none.
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
    prefix: str = Field(default="prefect-results/", description="What keys begin with.")

    async def read_path(self, path: str) -> bytes:
        """Raises DataError or DownloadError where the object store does not give it."""
        return await asyncio.to_thread(self._read, self._address(path))

    async def write_path(self, path: str, content: bytes) -> None:
        """Raises DataError or DownloadError where the object store does not take it."""
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
