"""Put files into a table's folder, local or in the object store."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from taxi_mlops.data.delta import SIDE_FOLDER, side_file
from taxi_mlops.data.objects import SCHEME as S3
from taxi_mlops.data.objects import ObjectAddress, ObjectStore
from taxi_mlops.errors import DataError
from taxi_mlops.settings import Settings
from taxi_mlops.storage.objects import push


class TableFolder:
    """The folder of a table, which need not exist yet."""

    def __init__(self, location: str, settings: Settings) -> None:
        self.location = location
        self._settings = settings
        self._in_store = location.startswith(f"{S3}://")

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """Give a local folder for files that are not yet part of the table; it is removed afterwards.

        It is on the file system of the table if that is local, so that files can be moved.
        """
        parent = None if self._in_store else Path(self.location) / SIDE_FOLDER
        try:
            if parent is not None:
                parent.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix="staging-", dir=parent))
        except OSError as error:
            raise DataError(f"{self.location}: cannot be written to ({error.strerror})") from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def put(self, file: Path, name: str) -> None:
        """Move a local file to a name within the table. Raises DataError, and ServiceError if the store fails."""
        if self._in_store:
            push(file, f"{self.location}/{name}", self._settings)
            return
        target = Path(self.location) / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            file.replace(target)
        except OSError as error:
            raise DataError(f"{target}: cannot be written ({error.strerror})") from error

    def create(self, name: str, content: bytes) -> bool:
        """Write a new file beside the table; False if it is there already, which then stays."""
        where = side_file(self.location, name)
        if self._in_store:
            return self._create_object(ObjectAddress.parse(where), content)
        try:
            Path(where).parent.mkdir(parents=True, exist_ok=True)
            with Path(where).open("xb") as file:
                file.write(content)
        except FileExistsError:
            return False
        except OSError as error:
            raise DataError(f"{where}: cannot be written ({error.strerror})") from error
        return True

    def _create_object(self, address: ObjectAddress, content: bytes) -> bool:
        from botocore.exceptions import ClientError

        store = ObjectStore(self._settings)
        with store.errors(address):
            try:
                store.client.put_object(Bucket=address.bucket, Key=address.key, Body=content, IfNoneMatch="*")
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") != "PreconditionFailed":
                    raise
                return False
        return True

    def names(self, folder: str) -> list[str]:
        """Return the names of the files in a folder beside the table."""
        where = side_file(self.location, folder)
        if self._in_store:
            prefix = ObjectAddress.parse(f"{where}/")
            entries = ObjectStore(self._settings).entries(prefix)
            return [entry.address.key.removeprefix(prefix.key) for entry in entries]
        return sorted(path.name for path in Path(where).glob("*") if path.is_file())

    def folders(self, folder: str) -> list[str]:
        """Return the names of the folders in a folder beside the table."""
        where = side_file(self.location, folder)
        if self._in_store:
            prefix = ObjectAddress.parse(f"{where}/")
            keys = (entry.address.key for entry in ObjectStore(self._settings).entries(prefix))
            return sorted({key.removeprefix(prefix.key).partition("/")[0] for key in keys})
        return sorted(path.name for path in Path(where).glob("*") if path.is_dir())
