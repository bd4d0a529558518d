"""The owner's store as the worker's settings name it."""

from __future__ import annotations

from gpu_worker.settings import WorkerSettings
from shared.storage.base import ObjectStore
from shared.storage.open import open_store


def store_of(settings: WorkerSettings) -> ObjectStore:
    """S3 where a bucket is named, else a folder on this machine. Nothing is asked of it yet."""
    secret = settings.s3_secret_access_key
    return open_store(
        bucket=settings.s3_bucket,
        endpoint_url=settings.s3_endpoint_url,
        region=settings.s3_region,
        access_key_id=settings.s3_access_key_id,
        secret_access_key=secret.get_secret_value() if secret else None,
        public_base_url=settings.s3_public_base_url,
        data_dir=settings.data_dir,
        signer=None,
    )
