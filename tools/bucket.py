"""Make a bucket ready: create it where it is missing, and set its CORS rules and its life cycle.

    .venv/bin/python tools/bucket.py https://rushes.example.org app://rushes    origins whose pages read and upload

The bucket and its key are those of `.env`, or of the environment, where the key of an administrator can be given for
this once. Run again, it sets the same again.
"""

from __future__ import annotations

import json
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from control_plane.settings import Settings  # noqa: E402 - this file is run from anywhere

RULES = ROOT / "deploy" / "bucket"


def main(origins: list[str]) -> int:
    """Do it; 0 when the bucket is ready."""
    settings = Settings()
    if not settings.s3_bucket or not origins:
        print("Set S3_BUCKET, and name the origins: https://rushes.example.org app://rushes", file=sys.stderr)
        return 2
    try:
        prepare(client(settings), settings.s3_bucket, origins)
    except (BotoCoreError, ClientError) as refused:
        print(f"The bucket is not ready: {refused}", file=sys.stderr)
        return 1
    print(f"{settings.s3_bucket} is ready for {', '.join(origins)}")
    return 0


def client(settings: Settings) -> Any:  # noqa: ANN401 - boto3 has no types
    """The store that the settings name."""
    return boto3.client(
        "s3", endpoint_url=settings.s3_endpoint_url, region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key_id, aws_secret_access_key=settings.s3_secret_access_key,
        # R2 refuses the checksums that boto3 adds by default.
        config=Config(request_checksum_calculation="when_required", response_checksum_validation="when_required"),
    )  # fmt: skip


def prepare(s3: Any, bucket: str, origins: list[str]) -> None:  # noqa: ANN401 - boto3 has no types
    """The bucket, its CORS rules for these origins, and half-made uploads cleared after a week."""
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as missing:
        if missing.response["ResponseMetadata"]["HTTPStatusCode"] != HTTPStatus.NOT_FOUND:
            raise
        s3.create_bucket(Bucket=bucket)
    rules = json.loads((RULES / "cors.json").read_text(encoding="utf-8"))
    rules["CORSRules"][0]["AllowedOrigins"] = origins
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=rules)
    lifecycle = json.loads((RULES / "lifecycle.json").read_text(encoding="utf-8"))
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=lifecycle)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
