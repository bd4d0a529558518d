"""The job table as the other rooms use it: verbs are awaited, questions answered at once, changes waited for.

await table.do(verbs.submit, new, now)        # durable when it returns
job = table.ask(queries.job_by_id, job_id)    # a few microseconds, so it stays on the event loop
await table.changed(job_id, timeout=25)
"""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import ParamSpec, Self, TypeVar

from control_plane.jobs import queries
from control_plane.jobs.database import OwnershipLock, connect, migrate
from control_plane.jobs.writer import Verb, Writer

P = ParamSpec("P")
T = TypeVar("T")


class Changes:
    """Wakes whoever waits for a job, or for any job, after the commit that changed it."""

    def __init__(self, reader: sqlite3.Connection) -> None:
        self._reader = reader
        self._seen = queries.last_event_id(reader)
        self._waiting: dict[str | None, list[asyncio.Future[None]]] = {}
        self.commits = 0

    def committed(self) -> None:
        """Called after each commit; asks what changed only when somebody waits."""
        self.commits += 1
        if not self._waiting:
            return
        before, self._seen = self._seen, queries.last_event_id(self._reader)
        changed: list[str | None] = [*queries.changed_jobs_after(self._reader, before)]
        for job_id in [*changed, None] if changed else []:
            for waiter in self._waiting.pop(job_id, []):
                if not waiter.done():
                    waiter.set_result(None)

    def wait_for(self, job_id: str | None) -> asyncio.Future[None]:
        """A future that is done at the next change of the job (of any job when None)."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(job_id, []).append(waiter)
        return waiter

    def forget(self, job_id: str | None, waiter: asyncio.Future[None]) -> None:
        """The waiter has gone: nobody is to be woken for it."""
        waiters = self._waiting.get(job_id, [])
        if waiter in waiters:
            waiters.remove(waiter)
        if not waiters:
            self._waiting.pop(job_id, None)


class JobTable:
    """One SQLite file, owned by this process. Open it with `await JobTable.open(path)`."""

    def __init__(self, lock: OwnershipLock, reader: sqlite3.Connection, writer: Writer, changes: Changes) -> None:
        self._lock = lock
        self._reader = reader
        self._writer = writer
        self._changes = changes

    @classmethod
    async def open(cls, database: Path) -> Self:
        """Own, migrate and open the file. DatabaseBusy when another process owns it."""
        lock = OwnershipLock(database)
        first = connect(database)
        migrate(first)
        first.close()
        database.chmod(0o600)
        reader = connect(database, read_only=True)
        changes = Changes(reader)
        return cls(lock, reader, await Writer.open(database, changes.committed), changes)

    async def do(self, verb: Verb[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a verb in the writer's next transaction; durable when it returns."""
        return await self._writer.do(verb, *args, **kwargs)

    def ask(self, question: Verb[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Answer a small indexed read from the last committed state."""
        return question(self._reader, *args, **kwargs)

    @property
    def commits(self) -> int:
        """Grows with each commit: while it stands still, every answer would be the same again."""
        return self._changes.commits

    async def changed(self, job_id: str | None, timeout: float) -> bool:
        """Wait for the next change of a job (of any job when None); False when `timeout` seconds passed first.

        It may return early for a change that was already there: look again, in a loop.
        """
        waiter = self._changes.wait_for(job_id)
        try:
            await asyncio.wait_for(asyncio.shield(waiter), timeout)
        except TimeoutError:
            return False
        finally:
            self._changes.forget(job_id, waiter)
            waiter.cancel()
        return True

    async def close(self) -> None:
        """Commit what waits, close the file and give up its ownership."""
        await self._writer.close()
        self._reader.close()
        self._lock.release()
