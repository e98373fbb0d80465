"""Create buckets of the object store."""

from __future__ import annotations

from taxi_mlops.data.objects import ObjectAddress, ObjectStore


def ensure_bucket(store: ObjectStore, name: str) -> bool:
    """Create a bucket with versioning, or turn versioning on. Returns whether anything was changed.

    Raises DataError if the user may not, DownloadError if the store does not answer.
    """
    from botocore.exceptions import ClientError

    changed = False
    with store.errors(ObjectAddress(name, "")):
        try:
            store.client.head_bucket(Bucket=name)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            store.client.create_bucket(Bucket=name)
            changed = True
        if store.client.get_bucket_versioning(Bucket=name).get("Status") != "Enabled":
            store.client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
            changed = True
    return changed
