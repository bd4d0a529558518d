"""The group-committing writer: writes that wait together are committed together.

One `fdatasync` costs as much as hundreds of statements, so under load the batch grows by itself and nobody waits
longer than one commit. A write that fails takes nobody down with it: the batch is rolled back and made again with a
savepoint for each write. Savepoints from the start would be two more statements for every write; failing is rare.

The statements of a batch run on the event loop, some 20 microseconds each: in a thread each would hand the interpreter
over and wait to get it back, up to 5 ms while requests come in, which took a quarter of the rate (measured). What may
wait for the disk or for another process, `BEGIN IMMEDIATE` and `COMMIT`, has the thread.
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
"""Writes: some 10 ms of the event loop. Fewer would be too few for a slow disk, where a commit takes 50 ms."""


@dataclass(frozen=True)
class _Write:
    act: Callable[[sqlite3.Connection], Any]
    done: asyncio.Future[Any]


@dataclass(frozen=True)
class _Failure:
    error: Exception


class _Connection(aiosqlite.Connection):
    async def run_batch(self, acts: list[Callable[[sqlite3.Connection], Any]]) -> list[Any]:
        """Every act in one transaction."""
        await self._in_thread(lambda conn: conn.execute("BEGIN IMMEDIATE"))
        try:
            results = _all(self._conn, acts)
            await self._in_thread(_commit)
        except BaseException:
            if self._conn.in_transaction:
                await self._in_thread(lambda conn: conn.execute("ROLLBACK"))
            raise
        return results

    async def _in_thread(self, act: Callable[[sqlite3.Connection], object]) -> None:
        await self._execute(act, self._conn)  # type: ignore[no-untyped-call] # aiosqlite


def _commit(conn: sqlite3.Connection) -> None:
    fault("before_commit")
    conn.execute("COMMIT")
    fault("after_commit")


def _all(conn: sqlite3.Connection, acts: list[Callable[[sqlite3.Connection], Any]]) -> list[Any]:
    try:
        return [act(conn) for act in acts]
    except Exception:  # noqa: BLE001 - whatever it is, it concerns its own caller alone
        conn.execute("ROLLBACK")
        conn.execute("BEGIN IMMEDIATE")
        return [_one(conn, act) for act in acts]


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
        """Run the verb in the next transaction. DatabaseFailed when that cannot be committed.

        A verb may be run twice, when another of the same batch fails: it changes nothing but the database.
        """
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
