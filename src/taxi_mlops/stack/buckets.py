"""Buckets of an object store."""

from __future__ import annotations

from typing import Any

from taxi_mlops.errors import ServiceError

TRIPS, ARTIFACTS = "taxi-data", "mlflow-artifacts"


def s3_client(
    url: str,
    access_key: str,
    secret_key: str,
    *,
    region: str = "us-east-1",
    timeout: float = 10.0,
    verify: str | None = None,
) -> Any:  # noqa: ANN401 - boto3 makes its classes at run time
    """A client of the object store at this address. verify: file with certificates of its authority."""
    import boto3
    from botocore.config import Config

    return boto3.session.Session().client(
        "s3",
        endpoint_url=url,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name=region,
        verify=verify,
        config=Config(
            s3={"addressing_style": "path"},
            connect_timeout=timeout,
            read_timeout=timeout,
            retries={"total_max_attempts": 1},
        ),
    )


def ensure_bucket(client: Any, name: str) -> bool:  # noqa: ANN401
    """Make a versioned bucket, where it is not there. Returns whether anything was changed. Raises ServiceError."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        changed = False
        try:
            client.head_bucket(Bucket=name)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            client.create_bucket(Bucket=name)
            changed = True
        if client.get_bucket_versioning(Bucket=name).get("Status") != "Enabled":
            client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
            changed = True
    except (BotoCoreError, ClientError) as error:
        raise ServiceError(f"bucket {name}: {error}") from None
    return changed
