"""Watching a server that is killed and comes back, and what a person at a terminal sees."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import re
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from shared.twins import card_key, weights_key
from tests.integration.served import served
from tests.integration.test_cli import rushes
from tests.standins.proxy import proxy

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "control_plane")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}  # noqa: TID251 - as a shell would
HOPELESS = 90


@contextlib.asynccontextmanager
async def server(data: Path, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """`rushes serve` with the built-in endpoint and a real worker; killed at the end."""
    settings = {"DATA_DIR": str(data), "PORT": str(port), "CLAIM_LEASE_SECONDS": "2", "CLOCK_SKEW_SECONDS": "0.2"}
    log = (data.parent / "log").open("ab")
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "serve", env=ENVIRONMENT | settings, stdout=log, stderr=log
    )
    log.close()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    await client.get("/healthz")
                    break
                await asyncio.sleep(0.05)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
    return port


async def test_a_watch_outlives_a_server_that_is_killed_and_misses_nothing(tmp_path: Path) -> None:
    port = free_port()
    url = {"RUSHES_URL": f"http://127.0.0.1:{port}"}
    told = []
    async with asyncio.timeout(HOPELESS):
        async with server(tmp_path / "data", port):
            made = await asyncio.gather(*(rushes("submit", "TTS", f"text=Number {n}.", **url) for n in range(4)))
            ids = [output.strip() for _, output, _ in made]
            watching = await asyncio.create_subprocess_exec(
                *COMMAND, "watch", *ids, env=ENVIRONMENT | url, stdout=asyncio.subprocess.PIPE
            )
            assert watching.stdout is not None
            told.append(json.loads(await watching.stdout.readline()))
        async with server(tmp_path / "data", port):
            ids.append((await rushes("submit", "TTS", "text=Later.", **url))[1].strip())
            told += [json.loads(line) async for line in watching.stdout]
            assert await watching.wait() == 0
            async with httpx.AsyncClient(base_url=url["RUSHES_URL"], trust_env=False) as client:
                events = {job_id: (await client.get(f"/jobs/{job_id}/events")).text for job_id in ids[:4]}
    for job_id, log in events.items():
        happened = [json.loads(line[6:]) for line in log.splitlines() if line.startswith("data: ")]
        seen = [state["version"] for state in told if state["job_id"] == job_id]
        assert seen == [state["version"] for state in happened if state["version"] >= seen[0]]
        assert happened[-1]["status"] == "SUCCEEDED"


async def terminal(*arguments: str, **environment: str) -> tuple[int, str]:
    """A command at a terminal of 120 columns: its exit code, and all that was drawn, without colours."""
    main, other = pty.openpty()
    settings = {"COLUMNS": "120", "TERM": "xterm", **environment}
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *arguments, env=ENVIRONMENT | settings, stdin=other, stdout=other, stderr=other
    )
    os.close(other)
    drawn = b""
    with contextlib.suppress(OSError):  # the other end has gone
        while piece := await asyncio.to_thread(os.read, main, 1 << 16):
            drawn += piece
    os.close(main)
    return await process.wait(), re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn.decode())


async def test_a_person_sees_tables_and_bars(tmp_path: Path) -> None:
    async with served(tmp_path / "data") as api:
        url = {"RUSHES_URL": api.url}
        watching = asyncio.create_task(terminal("submit", "TTS", "text=hi", "--wait", **url))
        job_id = None
        async with asyncio.timeout(HOPELESS):
            while job_id is None:
                job_id = next((job["job_id"] for job in (await api.client.get("/jobs")).json()), None)
        await api.finish(job_id)
        code, drawn = await watching
        assert code == 0
        assert drawn.startswith(job_id)
        assert "━" in drawn
        assert "100 %" in drawn
        assert "/speech.wav?" in drawn.splitlines()[-1]
        hostile = "\x1b]0;gotcha\x07[red]x"
        other = (await api.submit({"type": "TTS", "params": {"text": hostile}})).json()["job_id"]
        code, drawn = await terminal("list", **url)
        assert code == 0
        assert [line.split()[1:3] for line in drawn.splitlines()[1:3]] == [["TTS", "QUEUED"], ["TTS", "SUCCEEDED"]]
        code, drawn = await terminal("show", other, **url)
        assert "\\x1b" not in drawn
        assert "\x1b" not in drawn
        assert "[red]x" in drawn
        commands = (["budget"], ["models"], ["keys", "list"], ["estimate", "TTS", "text=x"], ["watch", job_id])
        for code, drawn in await asyncio.gather(*(terminal(*command, **url) for command in commands)):
            assert code == 0, drawn
            assert "{" not in drawn


CARD = {
    "name": "ada", "base_model": "cogvideox-5b", "base_repo": None, "base_revision": None, "trigger": "ohwx",
    "subject": "person", "rank": 16, "steps": 1200, "images": 12, "job_id": "01a1fe22-92e6-7192-a2fe-404d53191a5a",
    "consent": {"who": "Ada Lovelace", "when": "2026-11-01", "what_for": "Films"},
    "created_at": "2026-11-20T10:00:00Z", "bytes": 93_000_000, "sha256": "ab",
}  # fmt: skip


async def test_twins_are_told_with_their_trigger_and_consent(tmp_path: Path) -> None:
    async with served(tmp_path / "data") as api:
        assert (await terminal("keys", "list", RUSHES_URL=api.url))[1].strip() == "There are none"
        files = api.app.state.services.files
        assert files.put_if_absent(card_key("ada"), json.dumps(CARD).encode())
        assert files.put_if_absent(weights_key("ada"), b"weights")
        code, drawn = await terminal("twins", RUSHES_URL=api.url)
        for words in ("ada", "cogvideox-5b", "ohwx", "person, 12 pictures", "Ada Lovelace"):
            assert words in drawn
        code, output, _ = await rushes("twins", "--json", RUSHES_URL=api.url)
        assert (code, json.loads(output)["consent"]["who"]) == (0, "Ada Lovelace")


async def test_an_id_stays_whole_on_a_narrow_terminal(tmp_path: Path) -> None:
    async with served(tmp_path / "data") as api:
        job_id = await api.job_id()
        assert job_id in (await terminal("list", RUSHES_URL=api.url, COLUMNS="60"))[1]


async def test_interrupting_a_watch_leaves_the_job_alone(tmp_path: Path) -> None:
    async with served(tmp_path / "data") as api, proxy(api.url) as between:
        job_id = await api.job_id()
        process = await asyncio.create_subprocess_exec(
            *COMMAND, "watch", job_id, env=ENVIRONMENT | {"RUSHES_URL": between.url},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        await process.stdout.readline()
        process.send_signal(2)
        _, beside = await process.communicate()
        assert (process.returncode, beside.decode()) == (130, f"The jobs go on: rushes watch {job_id}\n")
        assert (await api.get(job_id))["cancel_requested_at"] is None
