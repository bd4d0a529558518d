"""Which store this process uses: the bucket when one is set, else a folder."""

from __future__ import annotations

from pathlib import Path

from shared.errors import StorageFailed
from shared.storage.base import ObjectStore
from shared.storage.local import LocalStore
from shared.storage.signing import UrlSigner


def open_store(
    *,
    bucket: str | None,
    endpoint_url: str | None,
    region: str | None,
    access_key_id: str | None,
    secret_access_key: str | None,
    public_base_url: str | None,
    data_dir: Path,
    signer: UrlSigner | None,
) -> ObjectStore:
    """The owner's store; nothing is asked of it yet. Raises StorageFailed when a bucket is set and boto3 is missing."""
    if not bucket:
        return LocalStore(data_dir / "objects", signer)
    try:
        # boto3 costs 35 MiB and is an extra: a machine without a bucket needs neither.
        from shared.storage.s3 import S3Store
    except ModuleNotFoundError as error:
        raise StorageFailed("S3_BUCKET is set, but boto3 is missing: install rushes[s3].", retryable=False) from error
    return S3Store(bucket, endpoint_url, region, access_key_id, secret_access_key, public_base_url)
