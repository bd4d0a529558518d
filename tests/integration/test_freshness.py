"""How old what a client reads can be where no callback comes, and what that asks of RunPod: minutes in virtual time."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from uuid6 import uuid7

from control_plane.dispatch.dispatcher import Dispatcher, Sending
from control_plane.dispatch.follower import World
from control_plane.dispatch.limits import Limits
from control_plane.dispatch.references import References
from control_plane.dispatch.store_check import StoreCheck
from control_plane.endpoints.departed import DepartedEndpoint
from control_plane.endpoints.directory import EndpointDirectory
from control_plane.endpoints.port import EndpointHealth, Policy, RemoteJob, RemoteStatus
from control_plane.jobs import queries, verbs
from control_plane.jobs.database import OwnershipLock, connect, migrate
from control_plane.jobs.records import NewJob
from control_plane.jobs.table import Changes, JobTable
from control_plane.jobs.writer import Verb
from shared.job_types import JobType
from shared.states import JobStatus
from shared.storage.directory import StoreDirectory
from shared.storage.local import LocalStore
from shared.wire import Progress
from tests.standins.virtual_time import run

URL = "https://endpoint"
ANSWER_SECONDS = 0.1


class InlineTable(JobTable):
    """Writes in the loop: a writer's thread would know nothing of virtual time."""

    def __init__(self, file: Path) -> None:
        self.conn = connect(file)
        migrate(self.conn)
        self.conn.execute("PRAGMA synchronous = OFF")
        reader = connect(file, read_only=True)
        super().__init__(OwnershipLock(file), reader, None, Changes(reader))  # type: ignore[arg-type] # never asked

    async def do(self, verb: Verb[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.conn.execute("BEGIN")
        result = verb(self.conn, *args, **kwargs)
        self.conn.execute("COMMIT")
        self._changes.committed()
        return result

    async def close(self) -> None:
        self.conn.close()
        self._reader.close()
        self._lock.release()


@dataclass
class TellingEndpoint:
    """Every job runs, and its progress says the second at which it is asked. `calls` are the moments of all asking."""

    jobs: dict[str, str] = field(default_factory=dict)
    calls: list[float] = field(default_factory=list)
    url: str = URL

    async def status(self, runpod_id: str) -> RemoteJob:
        now = asyncio.get_running_loop().time()
        self.calls.append(now)
        told = Progress(
            job_id=self.jobs[runpod_id], attempt=1, run=1, seq=round(now * 1000), stage="rendering", progress=40,
            message=f"{now}",
        )  # fmt: skip
        await asyncio.sleep(ANSWER_SECONDS)
        return RemoteJob(runpod_id, RemoteStatus.IN_PROGRESS, told.model_dump(), worker_id="w")

    async def run(self, payload: dict[str, Any], policy: Policy, webhook: str | None = None) -> str:
        raise AssertionError("all of them run already")

    async def cancel(self, runpod_id: str) -> None:
        raise AssertionError("nothing is canceled")

    async def health(self) -> EndpointHealth:
        return EndpointHealth()

    async def aclose(self) -> None: ...


def _running(conn: sqlite3.Connection, number: int, store: str, now: int) -> tuple[str, str]:
    """A job that a worker has; its ids here and there."""
    job, _ = verbs.submit(conn, NewJob(str(uuid7()), JobType.RENDER, {}, {}), now)
    attempt = verbs.open_attempt(conn, job.id, verbs.Opening(URL, store, 3600, now + 3_600_000), now)
    assert attempt is not None
    verbs.submitted(conn, attempt.ref, f"run-{number}", now)
    verbs.started(conn, attempt.ref, f"run-{number}", 1, now + 3_600_000, now)
    return f"run-{number}", job.id


async def _follow(folder: Path, jobs: int, seconds: float) -> tuple[float, list[float]]:
    """The greatest age of anything a client could read, once all has been seen; the moments of all calls."""
    loop = asyncio.get_running_loop()
    table, store, endpoint = InlineTable(folder / "rushes.db"), LocalStore(folder / "objects"), TellingEndpoint()

    def clock() -> int:
        return round(loop.time() * 1000)

    for number in range(jobs):
        runpod_id, job_id = _running(table.conn, number, store.name, clock())
        endpoint.jobs[runpod_id] = job_id
    store_check = StoreCheck(store)
    await store_check.look()
    endpoints = EndpointDirectory(endpoint, {}, DepartedEndpoint)
    world = World(table, endpoints, StoreDirectory(store), clock, Limits(), store_check)
    dispatcher = Dispatcher(world, Sending(jobs, References(None, lambda _: None), store.name))
    dispatching = asyncio.create_task(dispatcher.run())
    oldest = 0.0
    while loop.time() < seconds:
        await asyncio.sleep(0.5)
        if loop.time() > seconds / 2:
            found = table.ask(queries.list_jobs, jobs, None, JobStatus.RUNNING)
            assert len(found) == jobs
            oldest = max(oldest, *(loop.time() - float(job.stage_message) for job in found))
    dispatching.cancel()
    await asyncio.gather(dispatching, return_exceptions=True)
    await dispatcher.stop()
    await table.close()
    return oldest, endpoint.calls


def _most_within(moments: list[float], seconds: float) -> int:
    window: deque[float] = deque()
    most = 0
    for moment in moments:
        window.append(moment)
        while window[0] <= moment - seconds:
            window.popleft()
        most = max(most, len(window))
    return most


def test_two_hundred_jobs_without_callbacks_are_never_two_seconds_old(tmp_path: Path) -> None:
    oldest, calls = run(_follow(tmp_path, 200, 150.0), lambda: 0.0)
    assert 0 < oldest <= 2.0
    assert _most_within(calls, 10.0) <= 2000


def test_whatever_is_in_flight_at_start_up_the_limit_of_status_calls_holds(tmp_path: Path) -> None:
    _, calls = run(_follow(tmp_path, 2500, 30.0), lambda: 0.0)
    assert 1000 < _most_within(calls, 10.0) <= 2000
