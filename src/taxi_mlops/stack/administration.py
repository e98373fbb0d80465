"""Create what needs an administrator: buckets and users of the object store, MLflow's user.

In `taxi stack` the services call it; containers run it as one-shot services:

    python -m taxi_mlops.stack.administration object-store|mlflow      (secrets come from the environment)
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping

from pydantic import HttpUrl, SecretStr

from taxi_mlops.data.objects import ObjectStore
from taxi_mlops.errors import ServiceError, TaxiError, UsageError
from taxi_mlops.settings import Settings
from taxi_mlops.stack.configuration import configuration
from taxi_mlops.stack.probes import TIMEOUT_SECONDS
from taxi_mlops.storage.buckets import ensure_bucket
from taxi_mlops.storage.objects import TRIPS_BUCKET

ADMINISTRATOR = "administrator"
ARTIFACTS_BUCKET = "mlflow-artifacts"
BUCKETS = {"taxi": TRIPS_BUCKET, "mlflow": ARTIFACTS_BUCKET}
"""Each user of the object store, with the only bucket that it may use."""
MLFLOW_USER = "taxi"

_ADMIN_SECONDS = 30.0


def object_store_client(url: str, secret_key: str) -> ObjectStore:
    """Return a connection as the administrator of the object store."""
    return ObjectStore(
        Settings(
            object_store_url=HttpUrl(url),
            object_store_access_key=ADMINISTRATOR,
            object_store_secret_key=SecretStr(secret_key),
            service_timeout_seconds=TIMEOUT_SECONDS,
        )
    )


def make_buckets(url: str, secret_key: str) -> None:
    """Create the buckets, with versioning. Raises TaxiError."""
    client = object_store_client(url, secret_key)
    for bucket in BUCKETS.values():
        ensure_bucket(client, bucket)


def make_minio_users(url: str, secret_key: str, users: Mapping[str, str]) -> None:
    """Create MinIO's users by name, with their secret keys and policies. Raises ServiceError."""
    import urllib3
    from minio import MinioAdmin
    from minio.credentials.providers import StaticProvider
    from minio.error import MinioAdminException

    scheme, _, place = url.partition("://")
    admin = MinioAdmin(
        endpoint=place.rstrip("/"),
        credentials=StaticProvider(ADMINISTRATOR, secret_key),
        secure=scheme == "https",
        http_client=urllib3.PoolManager(timeout=_ADMIN_SECONDS),
    )
    try:
        for user, key in users.items():
            admin.policy_add(user, policy=json.loads(configuration(f"minio/{user}.json")))
            admin.user_add(user, key)
            admin.policy_set(user, user=user)
    except (MinioAdminException, urllib3.exceptions.HTTPError) as error:
        raise ServiceError(f"MinIO's users were not created: {error}") from None


def make_mlflow_user(url: str, administrator_password: str, password: str) -> None:
    """Create the user that records runs, who is not an administrator. Raises ServiceError."""
    import httpx

    users = f"{url.rstrip('/')}/api/2.0/mlflow/users"
    try:
        with httpx.Client(
            auth=(ADMINISTRATOR, administrator_password), timeout=TIMEOUT_SECONDS, trust_env=False
        ) as client:
            found = client.get(f"{users}/get", params={"username": MLFLOW_USER})
            if found.status_code == httpx.codes.NOT_FOUND:
                client.post(f"{users}/create", json={"username": MLFLOW_USER, "password": password}).raise_for_status()
            else:
                found.raise_for_status()
    except httpx.HTTPError as error:
        raise ServiceError(f"MLflow's user {MLFLOW_USER} was not created: {error}") from None


def _object_store() -> None:
    url, key = _given("OBJECT_STORE_URL"), _given("OBJECT_STORE_ADMINISTRATOR_SECRET_KEY")
    make_buckets(url, key)
    make_minio_users(url, key, {user: _given(f"OBJECT_STORE_{user.upper()}_SECRET_KEY") for user in BUCKETS})


def _mlflow() -> None:
    make_mlflow_user(_given("TAXI_MLFLOW_URI"), _given("MLFLOW_ADMIN_PASSWORD"), _given("TAXI_MLFLOW_PASSWORD"))


def _given(variable: str) -> str:
    if not (value := os.environ.get(variable)):
        raise UsageError(f"the variable {variable} is not set")
    return value


if __name__ == "__main__":
    try:
        {"object-store": _object_store, "mlflow": _mlflow}[sys.argv[1]]()
    except TaxiError as failed:
        sys.exit(f"error: {failed}")
