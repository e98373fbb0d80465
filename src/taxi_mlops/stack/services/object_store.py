"""The object store: MinIO if its program is installed, else SeaweedFS. A folder keeps the one that it started with."""

from __future__ import annotations

import json

from taxi_mlops.errors import ServiceError
from taxi_mlops.stack.administration import (
    ADMINISTRATOR,
    BUCKETS,
    make_buckets,
    make_minio_users,
    object_store_client,
)
from taxi_mlops.stack.folder import StackFolder
from taxi_mlops.stack.programs import INSTALL, find_program, program, program_version
from taxi_mlops.stack.service import Program, Service

MINIO, SEAWEEDFS = "MinIO", "SeaweedFS"


class ObjectStore(Service):
    name = "object-store"

    def missing(self) -> str | None:
        return None if installed_kind() else f"no object store is installed; {INSTALL} gets one"

    def version(self, stack: StackFolder) -> str:
        if self.kind(stack) == MINIO:
            return f"{MINIO} {program_version(program('minio'))}"
        return f"{SEAWEEDFS} {program_version(program('weed'), 'version')}"

    def kind(self, stack: StackFolder) -> str:
        """Return which of the two this folder uses."""
        folder = stack.data(self.name)
        began = next((kind for kind in (MINIO, SEAWEEDFS) if (folder / kind.lower()).is_dir()), None)
        return began or installed_kind() or SEAWEEDFS

    def prepare(self, stack: StackFolder) -> None:
        (stack.data(self.name) / self.kind(stack).lower()).mkdir(exist_ok=True)

    def program(self, stack: StackFolder) -> Program:
        return self._minio(stack) if self.kind(stack) == MINIO else self._seaweedfs(stack)

    def _minio(self, stack: StackFolder) -> Program:
        folder = stack.data(self.name)
        ports = ("--address", self.address(stack), "--console-address", stack.listens_at(self.name, "console"))
        certificates = ("--certs-dir", str(folder / "certificates"))
        return Program(
            command=(program("minio"), "server", "--quiet", *ports, *certificates, str(folder / MINIO.lower())),
            environment={
                "HOME": str(folder),  # it creates a folder there in any case
                "MINIO_ROOT_USER": ADMINISTRATOR,
                "MINIO_ROOT_PASSWORD": secret_key(stack, ADMINISTRATOR),
                "MINIO_UPDATE": "off",
                "MINIO_PROMETHEUS_AUTH_TYPE": "public",  # metrics have sizes and requests, and are on loopback alone
                "MINIO_BROWSER": "off",
            },
        )

    def _seaweedfs(self, stack: StackFolder) -> Program:
        folder = stack.data(self.name)
        port = {name: str(stack.port(self.name, name)) for name in _SEAWEEDFS_PORTS}
        options = {
            "dir": folder / SEAWEEDFS.lower(),
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "master.port": port["master"],
            "master.port.grpc": port["master-grpc"],
            "volume.port": port["volume"],
            "volume.port.grpc": port["volume-grpc"],
            "filer.port": port["filer"],
            "filer.port.grpc": port["filer-grpc"],
            "s3.port": stack.port(self.name),
            "s3.port.grpc": port["s3-grpc"],
            "s3.config": folder / "identities.json",
            "metricsPort": stack.port(self.name, "metrics"),
            "metricsIp": "127.0.0.1",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "volume.max": 16,
            "volume.preStopSeconds": 1,  # the default of ten is for a cluster to notice
            "master.volumeSizeLimitMB": 256,
            "master.volumePreallocate": "false",
        }
        return Program(
            command=(
                program("weed"),
                "server",
                "-filer",
                "-s3",
                *(f"-{name}={value}" for name, value in options.items()),
            ),
            environment={"WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"},
            files={"identities.json": json.dumps({"identities": _identities(stack)}, indent=2)},
            stop_seconds=30,
        )

    def bootstrap(self, stack: StackFolder) -> None:
        url, key = object_store_url(stack), secret_key(stack, ADMINISTRATOR)
        make_buckets(url, key)
        if self.kind(stack) == MINIO:
            make_minio_users(url, key, {user: secret_key(stack, user) for user in BUCKETS})

    def probe(self, stack: StackFolder) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            object_store_client(object_store_url(stack), secret_key(stack, ADMINISTRATOR)).client.list_buckets()
        except (BotoCoreError, ClientError) as error:
            raise ServiceError(str(error)) from None

    def settings(self, stack: StackFolder) -> dict[str, object]:
        return {
            "object_store_url": object_store_url(stack),
            "object_store_access_key": "taxi",
            "object_store_secret_key": secret_key(stack, "taxi"),
        }


_SEAWEEDFS_PORTS = ("master", "master-grpc", "volume", "volume-grpc", "filer", "filer-grpc", "s3-grpc")


def installed_kind() -> str | None:
    """Return which of the two a new folder gets; None if neither is installed."""
    return MINIO if find_program("minio") else SEAWEEDFS if find_program("weed") else None


def object_store_url(stack: StackFolder) -> str:
    """Return its URL."""
    return f"http://{stack.listens_at(ObjectStore.name)}"


def secret_key(stack: StackFolder, user: str) -> str:
    """Return the secret key of a user, whose access key is the name."""
    return stack.secret(f"object_store_{user}_secret_key")


def _identities(stack: StackFolder) -> list[dict[str, object]]:
    """Return SeaweedFS's users."""
    actions = {user: [f"{action}:{bucket}" for action in ("Read", "Write", "List")] for user, bucket in BUCKETS.items()}
    return [
        {
            "name": user,
            "credentials": [{"accessKey": user, "secretKey": secret_key(stack, user)}],
            "actions": allowed,
        }
        for user, allowed in {ADMINISTRATOR: ["Admin", "Read", "Write", "List"], **actions}.items()
    ]
