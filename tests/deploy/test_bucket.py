"""The bucket's set-up, the limits of its two keys and the backup in it, by a real S3 server and the real litestream."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from control_plane.cli.doctor import examine
from control_plane.settings import Settings
from tests.deploy.program import needs
from tests.integration.served import served
from tests.standins.seaweed import S3Server

ROOT = Path(__file__).parents[2]
BUCKET = "rushes-films"
pytestmark = pytest.mark.s3


@pytest.fixture(scope="module")
def keys(s3_server: S3Server) -> Iterator[dict[str, Any]]:
    """A client for each identity of the example, in a bucket that the tool made."""
    file = ROOT / "deploy/seaweedfs/identities.example.json"
    identities = json.loads(file.read_text(encoding="utf-8"))["identities"]
    made = {one["name"]: _client(s3_server.endpoint_url, **one["credentials"][0]) for one in identities}
    admin = identities[0]["credentials"][0]
    for _ in range(2):  # a second time changes nothing
        _set_up(s3_server.endpoint_url, admin["accessKey"], admin["secretKey"])
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


@contextlib.contextmanager
def streaming(environment: dict[str, str]) -> Iterator[list[str]]:
    """litestream as its unit runs it; the beginning of the command that restores."""
    litestream, config = needs("litestream"), str(ROOT / "deploy/litestream.yml")
    process = subprocess.Popen([litestream, "replicate", "-config", config], env=environment, stderr=subprocess.DEVNULL)
    try:
        yield [litestream, "restore", "-config", config]
    finally:
        process.terminate()
        process.wait()


async def test_the_table_is_restored_from_the_bucket(keys: dict[str, Any], tmp_path: Path) -> None:
    plane, database, restored = keys["control-plane"], tmp_path / "data/rushes.db", tmp_path / "again/rushes.db"
    restored.parent.mkdir()
    secret = plane._request_signer._credentials.secret_key
    environment = {
        "DB_PATH": str(database), "S3_BUCKET": BUCKET, "S3_ENDPOINT_URL": plane.meta.endpoint_url,
        "S3_REGION": "auto", "S3_ACCESS_KEY_ID": "rushes", "S3_SECRET_ACCESS_KEY": secret,
    }  # fmt: skip
    async with served(database.parent) as api:
        with streaming(environment) as restore:
            jobs = {await api.job_id() for _ in range(3)}
            await api.finish(next(iter(jobs)))
            async with asyncio.timeout(30):
                while await asyncio.to_thread(_restored_jobs, restore, restored, database, environment) != jobs:
                    restored.unlink(missing_ok=True)
    (looked_at,) = [one for one in examine(Settings(data_dir=restored.parent)) if one.what == "database"]
    assert looked_at.ok
    async with served(restored.parent) as api:
        assert {job["job_id"] for job in (await api.client.get("/jobs")).json()} == jobs


def _restored_jobs(restore: list[str], to: Path, database: Path, environment: dict[str, str]) -> set[str]:
    command = [*restore, "-o", str(to), str(database)]
    if subprocess.run(command, env=environment, capture_output=True, check=False).returncode:
        return set()
    with contextlib.closing(sqlite3.connect(to)) as conn:
        return {row[0] for row in conn.execute("SELECT id FROM jobs")}
