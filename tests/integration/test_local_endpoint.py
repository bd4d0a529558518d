"""The built-in endpoint with real worker processes: the unmodified runpod SDK, its deaths, and ours."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from control_plane.endpoints.local.endpoint import LocalEndpoint
from control_plane.endpoints.local.queue import JobQueue
from control_plane.endpoints.local.supervisor import Supervisor, WorkerSpec
from control_plane.endpoints.port import Endpoint, EndpointUnreachable, Policy, RemoteJob, RemoteStatus
from tests.standins.jump_clock import JumpClock
from tests.standins.scripted_worker import announcing_command, next_worker
from tests.standins.webhook_receiver import WebhookReceiver

VERBS = [sys.executable, str(Path(__file__).parent / "sdk_handlers" / "verbs.py")]
POLICY = Policy(execution_timeout_ms=600_000, ttl_ms=3_600_000)
PATIENCE = 40.0


async def until(true: Callable[[], Any]) -> Any:
    """Wait for a condition, and return what it found."""
    async with asyncio.timeout(PATIENCE):
        while not (found := true()):
            await asyncio.sleep(0.02)
    return found


async def opened(endpoint: LocalEndpoint) -> LocalEndpoint:
    await endpoint.start()
    await health_of(endpoint, lambda _: True)
    return endpoint


async def health_of(endpoint: Endpoint, seen: Callable[[dict[str, int]], bool]) -> dict[str, int]:
    """Wait until the worker counts are as wanted; a closed door is waited out."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                workers = (await endpoint.health()).workers
            except EndpointUnreachable:
                workers = None
            if workers is not None and seen(workers):
                return workers
            await asyncio.sleep(0.02)


async def ended(endpoint: Endpoint, job_id: str) -> RemoteJob:
    async with asyncio.timeout(PATIENCE):
        while not (job := await endpoint.status(job_id)).status.is_over:
            await asyncio.sleep(0.05)
    return job


def group(pgid: int) -> list[int]:
    """The living members of a process group: what /proc knows, without zombies."""
    members = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, pgrp = stat.read_text().rpartition(") ")[2].split()[:3]
        except OSError:
            continue
        if int(pgrp) == pgid and state not in "ZX":
            members.append(int(stat.parent.name))
    return members


CLOCK = JumpClock()
shared = pytest.mark.asyncio(loop_scope="module")
"""One worker serves all of these, replaced where a test kills it."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def endpoint(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalEndpoint]:
    folder = tmp_path_factory.mktemp("endpoint")
    made = await opened(LocalEndpoint(folder, 1, {}, VERBS, CLOCK))
    yield made
    await made.aclose()


async def worker_pid(endpoint: LocalEndpoint) -> int:
    job = await ended(endpoint, await endpoint.run({"do": "echo"}, POLICY))
    return int(job.output["pid"])


@shared
async def test_a_result_comes_back(endpoint: LocalEndpoint) -> None:
    async with WebhookReceiver() as receiver:
        job_id = await endpoint.run({"do": "echo", "text": "Grüße 🎬"}, POLICY, receiver.url)
        job = await ended(endpoint, job_id)
        hook = await receiver.next_body()
    assert (job.status, job.output["said"], job.error) == (RemoteStatus.COMPLETED, "Grüße 🎬", None)
    assert job.execution_ms is not None
    assert (hook["id"], hook["status"], hook["output"]) == (job_id, "COMPLETED", job.output)
    assert (hook["input"]["do"], hook["webhook"]) == ("echo", receiver.url)


@shared
async def test_an_error_and_an_exception_become_one_sentence(endpoint: LocalEndpoint) -> None:
    failed = await ended(endpoint, await endpoint.run({"do": "fail"}, POLICY))
    raised = await ended(endpoint, await endpoint.run({"do": "raise"}, POLICY))
    assert (failed.status, raised.status) == (RemoteStatus.FAILED, RemoteStatus.FAILED)
    assert failed.error == "FETCH_FAILED: The picture could not be read."
    assert raised.error == "the seed is too large"


@shared
async def test_progress_shows_while_it_runs(endpoint: LocalEndpoint, tmp_path: Path) -> None:
    go_on = tmp_path / "go"
    job_id = await endpoint.run({"do": "progress", "file": str(go_on)}, POLICY)
    async with asyncio.timeout(PATIENCE):
        while (job := await endpoint.status(job_id)).output is None:
            await asyncio.sleep(0.02)
    assert (job.status, job.output) == (RemoteStatus.IN_PROGRESS, {"seq": 1, "progress": 40})
    assert (await endpoint.health()).workers["running"] == 1
    go_on.touch()
    assert (await ended(endpoint, job_id)).output == {"done": True}


@shared
async def test_a_cancel_stops_the_handler_and_keeps_the_worker(endpoint: LocalEndpoint, tmp_path: Path) -> None:
    before = await worker_pid(endpoint)
    sign = tmp_path / "sign"
    job_id = await endpoint.run({"do": "wait", "file": str(sign)}, POLICY)
    await until(sign.exists)
    await endpoint.cancel(job_id)
    await until(lambda: sign.read_text() == "canceled")
    assert await worker_pid(endpoint) == before
    assert (await endpoint.status(job_id)).status is RemoteStatus.CANCELLED


@shared
async def test_a_handler_that_does_not_stop_is_killed_after_the_grace(endpoint: LocalEndpoint, tmp_path: Path) -> None:
    before = await worker_pid(endpoint)
    sign = tmp_path / "sign"
    job_id = await endpoint.run({"do": "block", "file": str(sign)}, POLICY)
    await until(sign.exists)
    await endpoint.cancel(job_id)
    assert group(before)
    CLOCK.jump(11)
    await until(lambda: not group(before))
    assert await worker_pid(endpoint) != before


@shared
async def test_the_execution_timeout_kills_the_worker(endpoint: LocalEndpoint, tmp_path: Path) -> None:
    before = await worker_pid(endpoint)
    sign = tmp_path / "sign"
    job_id = await endpoint.run({"do": "block", "file": str(sign)}, Policy(5_000, 3_600_000))
    await until(sign.exists)
    CLOCK.jump(6)
    await until(lambda: not group(before))
    assert (await endpoint.status(job_id)).status is RemoteStatus.TIMED_OUT
    assert await worker_pid(endpoint) != before


@shared
async def test_a_worker_that_asks_for_it_is_replaced(endpoint: LocalEndpoint) -> None:
    job = await ended(endpoint, await endpoint.run({"do": "refresh"}, POLICY))
    assert job.status is RemoteStatus.COMPLETED
    await until(lambda: not group(job.output["pid"]))
    assert await worker_pid(endpoint) != job.output["pid"]


@shared
async def test_a_killed_worker_leaves_no_heartbeat_and_its_job_runs_again(
    endpoint: LocalEndpoint, tmp_path: Path
) -> None:
    sign = tmp_path / "sign"
    job_id = await endpoint.run({"do": "wait", "file": str(sign)}, POLICY)
    await until(sign.exists)
    pid = int(sign.read_text().split()[1])
    assert len(group(pid)) == 2  # the worker and the SDK's heartbeat
    sign.unlink()
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not group(pid))
    await until(sign.exists)
    assert (await endpoint.status(job_id)).status is RemoteStatus.IN_PROGRESS
    await endpoint.cancel(job_id)


@shared
async def test_a_job_that_crashes_its_worker_runs_three_times_and_fails(
    endpoint: LocalEndpoint, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    job = await ended(endpoint, await endpoint.run({"do": "crash", "file": str(runs)}, POLICY))
    assert (job.status, job.error) == (RemoteStatus.FAILED, "The worker was lost 3 times.")
    assert len(set(runs.read_text().split())) == 3


async def test_closing_ends_a_busy_worker_and_all_it_started(tmp_path: Path) -> None:
    endpoint = await opened(LocalEndpoint(tmp_path, 2, {}, VERBS))
    signs = [tmp_path / name for name in ("one", "two")]
    for sign in signs:
        await endpoint.run({"do": "block", "file": str(sign)}, POLICY)
    await until(lambda: all(sign.exists() for sign in signs))
    pids = [int(sign.read_text().split()[1]) for sign in signs]
    await endpoint.aclose()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    await until(lambda: not [member for pid in pids for member in group(pid)])


async def test_closing_ends_idle_sdk_workers_by_their_own_will(tmp_path: Path) -> None:
    farewell = tmp_path / "farewell"
    endpoint = await opened(LocalEndpoint(tmp_path, 1, {}, [*VERBS, str(farewell)]))
    await health_of(endpoint, lambda workers: workers["idle"] == 1)
    await endpoint.aclose()
    assert farewell.exists()
    assert "Failed to get job" not in (tmp_path / "local" / "logs" / "worker-1.log").read_text()
    with pytest.raises(EndpointUnreachable, match="closed"):
        await endpoint.health()


PLANE = """
import asyncio, sys
from pathlib import Path
from control_plane.endpoints.local.endpoint import LocalEndpoint

async def main():
    await LocalEndpoint(Path(sys.argv[1]), 1, {}, sys.argv[2:]).start()
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def killed_plane(folder: Path, command: list[str], worker_is_up: Path) -> int:
    """Run a plane in a process of its own, SIGKILL it once its worker is up, and return that worker's pid."""
    plane = await asyncio.create_subprocess_exec(sys.executable, "-c", PLANE, str(folder), *command)
    pid = int(await until(lambda: worker_is_up.exists() and worker_is_up.read_text().strip()))
    plane.kill()
    await plane.wait()
    return pid


async def test_the_next_life_opens_once_the_last_worker_of_the_earlier_one_is_dead(tmp_path: Path) -> None:
    up = tmp_path / "up"
    deaf = [sys.executable, "-c", f"import os, time; open({str(up)!r}, 'w').write(str(os.getpid())); time.sleep(3600)"]
    orphan = await killed_plane(tmp_path, deaf, up)
    endpoint = LocalEndpoint(tmp_path, 1, {}, announcing_command(tmp_path))
    try:
        await endpoint.start()
        for _ in range(10):  # were the lock free, the first of these would open it
            await asyncio.sleep(0)
        for call in (endpoint.run({}, POLICY), endpoint.status("x"), endpoint.cancel("x"), endpoint.health()):
            with pytest.raises(EndpointUnreachable, match="earlier run"):
                await call
    finally:
        os.kill(orphan, signal.SIGKILL)
    await health_of(endpoint, lambda _: True)
    assert (await endpoint.status("0b7c1d3e-of-the-earlier-life")).status is RemoteStatus.GONE
    await endpoint.aclose()


async def test_a_worker_dies_with_a_killed_plane(tmp_path: Path) -> None:
    up = tmp_path / "up"
    listening = (
        "import os, time; from gpu_worker import lifeline; lifeline.watch(int(os.environ['RUSHES_LIFELINE_FD']));"
        f"open({str(up)!r}, 'w').write(str(os.getpid())); time.sleep(3600)"
    )
    orphan = await killed_plane(tmp_path, [sys.executable, "-c", listening], up)
    await until(lambda: not group(orphan))


async def test_a_worker_gets_its_own_environment_and_nothing_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_owner")
    monkeypatch.setenv("HOME", "/home/owner")
    endpoint = await opened(
        LocalEndpoint(tmp_path, 1, {"PATH": "/usr/bin", "RUNPOD_POD_ID": "mine"}, announcing_command(tmp_path))
    )
    worker = await next_worker(tmp_path)
    await endpoint.aclose()
    env = worker.env
    assert "rpa_owner" not in env.values()
    assert (env["PATH"], Path(env["HOME"]).parent) == ("/usr/bin", tmp_path / "local")
    assert worker.id.startswith("local-1-")
    assert env["RUNPOD_SKIP_AUTO_SYSTEM_CHECKS"] == env["RUNPOD_SKIP_GPU_CHECK"] == "true"
    assert {"RUSHES_LIFELINE_FD", "RUSHES_LOCK_FD"} <= set(env)
    await worker.aclose()


async def test_a_crash_loop_is_seen_in_health_and_explained(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    crashing = [sys.executable, "-c", "raise SystemExit('no engine here')"]
    endpoint = await opened(LocalEndpoint(tmp_path, 1, {}, crashing))
    workers = await health_of(endpoint, lambda workers: workers["unhealthy"] == 1)
    assert sum(workers.values()) == 1
    await until(lambda: "ended by itself with code 1: no engine here" in caplog.text)
    await endpoint.aclose()


async def test_a_crash_loop_slows_down(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    now = [0.0]
    spec = WorkerSpec([sys.executable, "-S", "-c", ""], {}, "http://127.0.0.1:9", "key", lock_fd=1, log_dir=tmp_path)
    supervisor = Supervisor(spec, 1, JobQueue(lambda: now[0], lambda _: None), lambda: now[0])

    def count(word: str) -> int:
        supervisor.tick()
        return caplog.text.count(word)

    for crashes, delay in enumerate([0.5, 1, 2, 4, 8, 16, 32, 60, 60], start=1):
        await until(lambda crashes=crashes: count("ended by itself") == crashes)
        now[0] += delay - 0.1
        assert count("started") == crashes
        now[0] += 0.1
        assert count("started") == crashes + 1
    await supervisor.aclose()


async def test_a_command_that_does_not_exist_is_an_unhealthy_worker(tmp_path: Path) -> None:
    endpoint = await opened(LocalEndpoint(tmp_path, 1, {}, ["/nonexistent/worker"]))
    await health_of(endpoint, lambda workers: workers["unhealthy"] == 1)
    await endpoint.run({}, POLICY)
    await endpoint.aclose()


async def test_a_data_folder_that_cannot_be_used_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "local").write_text("a file in the way")
    endpoint = LocalEndpoint(tmp_path, 1, {}, VERBS)
    with pytest.raises(EndpointUnreachable, match="not started"):
        await endpoint.health()
    await endpoint.start()
    async with asyncio.timeout(PATIENCE):
        while True:
            with pytest.raises(EndpointUnreachable) as refused:
                await endpoint.health()
            if "cannot start" in str(refused.value):
                break
            await asyncio.sleep(0.01)
    assert str(tmp_path) not in str(refused.value)
    await endpoint.aclose()


async def test_a_worker_that_is_not_fit_says_why_and_takes_no_job(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    caplog.set_level(logging.WARNING)
    endpoint = await opened(LocalEndpoint(tmp_path / "plane", 1, {"DATA_DIR": str(tmp_path / "file")}))
    try:
        job_id = await endpoint.run({"job_type": "TTS", "text": "hi"}, POLICY)
        await until(lambda: "is not fit: store: Unfit: The store, folder" in caplog.text)
        assert (await endpoint.status(job_id)).status is RemoteStatus.IN_QUEUE
    finally:
        await endpoint.aclose()
