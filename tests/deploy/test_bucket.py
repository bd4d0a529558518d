"""The bucket's set-up and the limits of its two keys, by a real S3 server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.standins.seaweed import find_weed, seaweed

ROOT = Path(__file__).parents[2]
BUCKET = "rushes-films"
pytestmark = pytest.mark.s3


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A client for each identity of the example, in a bucket that the tool made."""
    weed = find_weed()
    if weed is None:
        pytest.skip("SeaweedFS is not installed: make test installs it")
    identities = json.loads((ROOT / "deploy/seaweedfs/identities.example.json").read_text(encoding="utf-8"))[
        "identities"
    ]
    with seaweed(weed, tmp_path_factory.mktemp("seaweed"), identities) as server:
        made = {one["name"]: _client(server.endpoint_url, **one["credentials"][0]) for one in identities}
        admin = identities[0]["credentials"][0]
        for _ in range(2):  # a second time changes nothing
            _set_up(server.endpoint_url, admin["accessKey"], admin["secretKey"])
        yield made
        for client in made.values():
            client.close()


def _client(url: str, accessKey: str, secretKey: str) -> Any:
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=2)
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="auto",
        aws_access_key_id=accessKey,
        aws_secret_access_key=secretKey,
        config=config,
    )


def _set_up(url: str, key: str, secret: str) -> None:
    settings = {
        "S3_BUCKET": BUCKET, "S3_ENDPOINT_URL": url, "S3_ACCESS_KEY_ID": key, "S3_SECRET_ACCESS_KEY": secret,
    }  # fmt: skip
    command = [sys.executable, ROOT / "tools/bucket.py", "https://rushes.example.org", "app://rushes"]
    subprocess.run(command, env=settings, cwd="/", check=True, capture_output=True)


def refused(call: Callable[..., Any], **arguments: Any) -> bool:
    """Is it answered 403?"""
    try:
        call(Bucket=BUCKET, **arguments)
    except ClientError as error:
        return bool(error.response["ResponseMetadata"]["HTTPStatusCode"] == 403)
    return False


def test_browsers_may_read_and_upload_from_the_named_origins(keys: dict[str, Any]) -> None:
    rules = keys["administrator"].get_bucket_cors(Bucket=BUCKET)["CORSRules"]
    assert [rule["AllowedOrigins"] for rule in rules] == [["https://rushes.example.org", "app://rushes"]]
    assert set(rules[0]["AllowedMethods"]) == {"GET", "HEAD", "PUT"}


def test_the_workers_key_reaches_jobs_and_no_backup(keys: dict[str, Any]) -> None:
    plane, worker = keys["control-plane"], keys["workers"]
    for name in ("backups/litestream/1", "uploads/photo.jpg"):
        plane.put_object(Bucket=BUCKET, Key=name, Body=b"x")
    worker.put_object(Bucket=BUCKET, Key="jobs/1/claims/1.json", Body=b"{}", IfNoneMatch="*")
    worker.put_object(Bucket=BUCKET, Key="twins/ana/card.json", Body=b"{}")
    worker.put_object(Bucket=BUCKET, Key="probes/1.json", Body=b"{}")
    worker.delete_object(Bucket=BUCKET, Key="jobs/1/claims/1.json")
    assert worker.get_object(Bucket=BUCKET, Key="uploads/photo.jpg")["Body"].read() == b"x"
    assert refused(worker.get_object, Key="backups/litestream/1")
    assert refused(worker.put_object, Key="backups/litestream/1", Body=b"y")
    assert refused(worker.put_object, Key="uploads/photo.jpg", Body=b"y")


def test_the_control_planes_key_changes_no_bucket(keys: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        keys["control-plane"].create_bucket(Bucket="another")
