"""The group-committing writer: writes that wait together are committed together.

One `fdatasync` costs as much as hundreds of statements, so under load the batch grows by itself and nobody waits
longer than one commit. Each write has a savepoint of its own: one that fails takes nobody down with it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import aiosqlite

from control_plane.faults import fault
from control_plane.jobs.database import DatabaseFailed, connect

P = ParamSpec("P")
T = TypeVar("T")
Verb = Callable[Concatenate[sqlite3.Connection, P], T]

MAX_BATCH = 500


@dataclass(frozen=True)
class _Write:
    act: Callable[[sqlite3.Connection], Any]
    done: asyncio.Future[Any]


@dataclass(frozen=True)
class _Failure:
    error: Exception


class _Connection(aiosqlite.Connection):
    async def run_batch(self, acts: list[Callable[[sqlite3.Connection], Any]]) -> list[Any]:
        """Every act in one transaction and one hop to the thread."""
        results: list[Any] = await self._execute(_commit_together, self._conn, acts)  # type: ignore[no-untyped-call] # aiosqlite
        return results


def _commit_together(conn: sqlite3.Connection, acts: list[Callable[[sqlite3.Connection], Any]]) -> list[Any]:
    try:
        conn.execute("BEGIN IMMEDIATE")
        results = [_one(conn, act) for act in acts]
        fault("before_commit")
        conn.execute("COMMIT")
        fault("after_commit")
    except sqlite3.Error:
        if conn.in_transaction:
            conn.execute("ROLLBACK")
        raise
    return results


def _one(conn: sqlite3.Connection, act: Callable[[sqlite3.Connection], Any]) -> object:
    conn.execute("SAVEPOINT one")
    try:
        result = act(conn)
    except Exception as error:  # noqa: BLE001 - whatever it is, it concerns its own caller alone
        conn.execute("ROLLBACK TO one")
        result = _Failure(error)
    conn.execute("RELEASE one")
    return result


class Writer:
    """`await writer.do(verb, …)` returns once the verb's changes are on the disk."""

    def __init__(self, conn: _Connection, on_commit: Callable[[], None]) -> None:
        self._conn = conn
        self._on_commit = on_commit
        self._waiting: list[_Write] = []
        self._wake = asyncio.Event()
        self._closing = False
        self._task = asyncio.create_task(self._run(), name="job-table-writer")

    @classmethod
    async def open(cls, database: Path, on_commit: Callable[[], None]) -> Self:
        """Connect to a migrated database. `on_commit` is called in the event loop after every commit."""
        conn = _Connection(lambda: connect(database), iter_chunk_size=64)
        await conn
        return cls(conn, on_commit)

    async def do(self, verb: Verb[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the verb in the next transaction. DatabaseFailed when that cannot be committed."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Write(lambda conn: verb(conn, *args, **kwargs), done))
        self._wake.set()
        return await done

    async def _run(self) -> None:
        while not (self._closing and not self._waiting):
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
                await self._commit(batch)

    async def _commit(self, batch: list[_Write]) -> None:
        try:
            results = await self._conn.run_batch([write.act for write in batch])
        except Exception as error:  # noqa: BLE001 - whatever broke the transaction is told to everybody in it
            failed = DatabaseFailed()
            failed.__cause__ = error
            results = [_Failure(failed)] * len(batch)
        for write, result in zip(batch, results, strict=True):
            _deliver(write.done, result)
        self._on_commit()

    async def close(self) -> None:
        """Commit what waits, then close."""
        self._closing = True
        self._wake.set()
        await self._task
        await self._conn.close()


def _deliver(done: asyncio.Future[Any], result: object) -> None:
    if done.done():
        return
    if isinstance(result, _Failure):
        done.set_exception(result.error)
    else:
        done.set_result(result)
