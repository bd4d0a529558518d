"""The nginx configuration, by a real nginx before a real control plane: streams, sockets, limits, what stays inside."""

from __future__ import annotations

import asyncio
import getpass
import json
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.conftest import wait_until
from tests.deploy.program import needs
from tests.integration.served import served

ROOT = Path(__file__).parents[2]
NAME = "rushes.example.org"
KEY = "a-key-of-this-test"


@dataclass
class Front:
    """nginx: its port, and the certificate that it shows."""

    port: int
    trusted: ssl.SSLContext

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def client(self, **more: str) -> httpx.AsyncClient:
        headers = {"Host": NAME, "Authorization": f"Bearer {KEY}", **more}
        return httpx.AsyncClient(base_url=self.url, headers=headers, verify=self.trusted, trust_env=False, timeout=20)


@asynccontextmanager
async def nginx(folder: Path, upstream: str) -> AsyncIterator[Front]:
    """The template as DEPLOYMENT.md fills it in, on ports and with files of its own."""
    program, https, http = needs("nginx"), free_port(), free_port()
    live = certify(folder)
    site = (ROOT / "deploy/nginx/rushes.conf.template").read_text(encoding="utf-8")
    for there, here in {
        "${RUSHES_DOMAIN}": NAME, "${RUSHES_UPSTREAM}": upstream, "/etc/letsencrypt": str(folder),
        "listen 443": f"listen 127.0.0.1:{https}", "listen 80": f"listen 127.0.0.1:{http}",
        "listen [::]:443": f"listen [::1]:{https}", "listen [::]:80": f"listen [::1]:{http}",
    }.items():  # fmt: skip
        site = site.replace(there, here)
    (folder / "site.conf").write_text(site, encoding="utf-8")
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"user {getpass.getuser()}; daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n"
        f"http {{ access_log {folder}/access.log; {temporary} include {folder}/site.conf; }}\n",
        encoding="utf-8",
    )
    process = subprocess.Popen([program, "-c", folder / "nginx.conf"], stderr=subprocess.DEVNULL)
    trusted = ssl.create_default_context(cafile=str(live / "fullchain.pem"))
    trusted.check_hostname = False
    try:
        wait_until(lambda: (folder / "pid").exists() and (folder / "pid").read_text(), "nginx")
        yield Front(https, trusted)
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    needs("nginx")
    settings = {"api_key": KEY, "public_url": f"https://{NAME}"}
    async with (
        served(tmp_path / "data", **settings) as plane,
        nginx(tmp_path, plane.url.removeprefix("http://")) as there,
    ):
        yield there


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def certify(folder: Path) -> Path:
    """A certificate of its own making, where certbot puts the real one."""
    live = folder / "live" / NAME
    live.mkdir(parents=True)
    subprocess.run(
        [needs("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={NAME}",
         "-keyout", live / "privkey.pem", "-out", live / "fullchain.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    return live


async def test_what_passes_and_what_stays_inside(front: Front, tmp_path: Path) -> None:
    async with front.client() as client:
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/jobs")).json() == []
        assert (await client.get("/metrics")).status_code == 404
        refused = await client.post("/jobs", content=b"x" * 1_500_000, headers={"Content-Type": "application/json"})
        assert (refused.status_code, refused.json()["code"]) == (413, "BODY_TOO_LARGE")
        assert (await client.post("/jobs", content=b"x" * 2_500_000)).status_code == 413
        callback = await client.post("/callbacks/no-such-token", json={})
        assert callback.json() == {"ok": True}
    async with front.client(Authorization="Bearer wrong") as stranger:
        assert (await stranger.get("/jobs")).status_code == 401
    assert "no-such-token" not in (tmp_path / "access.log").read_text()


async def test_events_flow_one_by_one(front: Front) -> None:
    async with front.client() as client, client.stream("GET", "/events") as stream:
        lines = stream.aiter_lines()
        made = await client.post("/jobs", json={"type": "TTS", "params": {"text": "Hello."}})
        async with asyncio.timeout(20):
            async for line in lines:
                if line.startswith("data: ") and json.loads(line[6:]).get("job_id") == made.json()["job_id"]:
                    break
        assert stream.headers["content-type"].startswith("text/event-stream")


async def test_sockets_are_upgraded(front: Front) -> None:
    async with front.client() as client:
        job = (await client.post("/jobs", json={"type": "TTS", "params": {"text": "Hello."}})).json()["job_id"]
    key = {"Authorization": f"Bearer {KEY}"}
    opened = connect(
        f"wss://{NAME}/ws/jobs/{job}",
        host="127.0.0.1",
        port=front.port,
        ssl=front.trusted,
        additional_headers=key,
        proxy=None,
    )
    async with opened as stream, asyncio.timeout(20):
        assert job in str(await stream.recv())


async def test_a_flood_is_refused_and_callbacks_are_not(front: Front) -> None:
    async with front.client() as client:
        answers = await asyncio.gather(*(client.get("/healthz") for _ in range(50)))
        answers += await asyncio.gather(*(client.get("/healthz") for _ in range(50)))
        codes = {answer.status_code for answer in answers}
        assert 429 in codes
        assert 200 in codes
        many = await asyncio.gather(*(client.post("/callbacks/none", json={}) for _ in range(60)))
        assert 429 not in {answer.status_code for answer in many}


def test_the_template_for_a_store_is_understood(tmp_path: Path) -> None:
    certify(tmp_path)
    site = (ROOT / "deploy/nginx/s3.conf.template").read_text(encoding="utf-8")
    for there, here in {
        "${S3_DOMAIN}": NAME, "${S3_UPSTREAM}": "127.0.0.1:8333", "/etc/letsencrypt": str(tmp_path),
    }.items():  # fmt: skip
        site = site.replace(there, here)
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; error_log {tmp_path}/log; events {{}}\nhttp {{ {site} }}"
    )
    subprocess.run([needs("nginx"), "-t", "-c", tmp_path / "nginx.conf"], check=True, capture_output=True)
