"""The group-committing writer and the file it owns."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from uuid6 import uuid7

from control_plane.jobs import queries, verbs
from control_plane.jobs.database import DatabaseBusy, DatabaseFailed, OwnershipLock, connect, migrate
from control_plane.jobs.records import NewJob
from control_plane.jobs.statements import statements
from control_plane.jobs.table import JobTable
from control_plane.jobs.writer import Writer
from shared.errors import Conflict
from shared.job_types import JobType


def new_job() -> NewJob:
    return NewJob(str(uuid7()), JobType.TTS, {"text": "x"}, {})


@pytest.fixture
async def table(tmp_path: Path) -> AsyncIterator[JobTable]:
    table = await JobTable.open(tmp_path / "rushes.db")
    yield table
    await table.close()


async def test_two_hundred_submissions_at_once_share_commits(tmp_path: Path) -> None:
    database = tmp_path / "rushes.db"
    first = connect(database)
    migrate(first)
    first.close()
    commits = 0

    def committed() -> None:
        nonlocal commits
        commits += 1

    writer = await Writer.open(database, committed)
    await asyncio.gather(*(writer.do(verbs.submit, new_job(), 1) for _ in range(200)))
    await writer.close()
    assert 1 <= commits <= 5
    reader = connect(database, read_only=True)
    assert queries.count_by_status(reader) == {"QUEUED": 200}
    reader.close()


async def test_a_write_that_fails_takes_nobody_down_with_it(table: JobTable) -> None:
    def break_off(conn: sqlite3.Connection) -> None:
        conn.execute("DELETE FROM jobs")
        raise Conflict("no")

    def crash(conn: sqlite3.Connection) -> None:
        conn.execute("DELETE FROM jobs")
        raise ZeroDivisionError

    results = await asyncio.gather(
        table.do(verbs.submit, new_job(), 1),
        table.do(break_off),
        table.do(crash),
        table.do(verbs.submit, new_job(), 1),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [tuple, Conflict, ZeroDivisionError, tuple]
    assert table.ask(queries.count_by_status) == {"QUEUED": 2}


async def test_what_cannot_be_committed_is_told_and_the_next_write_works(table: JobTable, tmp_path: Path) -> None:
    def fill(conn: sqlite3.Connection) -> None:
        pages = conn.execute("PRAGMA page_count").fetchone()[0]
        conn.execute(f"PRAGMA max_page_count = {pages}")

    def widen(conn: sqlite3.Connection) -> None:
        conn.execute("PRAGMA max_page_count = 1000000")

    await table.do(fill)
    huge = NewJob(str(uuid7()), JobType.TTS, {"text": "x" * 900_000}, {})
    with pytest.raises((DatabaseFailed, sqlite3.Error)):
        await table.do(verbs.submit, huge, 1)
    await table.do(widen)
    await table.do(verbs.submit, new_job(), 1)
    assert table.ask(queries.count_by_status) == {"QUEUED": 1}


async def test_a_locked_database_is_an_error_not_a_hang(table: JobTable, tmp_path: Path) -> None:
    thief = sqlite3.connect(tmp_path / "rushes.db", isolation_level=None)
    thief.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseFailed):
        await table.do(verbs.submit, new_job(), 1)
    thief.execute("ROLLBACK")
    thief.close()
    await table.do(verbs.submit, new_job(), 1)


async def test_one_process_owns_the_database(table: JobTable, tmp_path: Path) -> None:
    with pytest.raises(DatabaseBusy):
        await JobTable.open(tmp_path / "rushes.db")


def test_the_lock_is_free_again_after_its_owner(tmp_path: Path) -> None:
    OwnershipLock(tmp_path / "a.db").release()
    OwnershipLock(tmp_path / "a.db").release()


async def test_the_file_is_the_owners_alone_and_durable(table: JobTable, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "rushes.db").stat().st_mode) == 0o600

    def pragmas(conn: sqlite3.Connection) -> list[object]:
        return [
            conn.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "foreign_keys")
        ]

    assert await table.do(pragmas) == ["wal", 2, 1]


async def test_a_waiter_wakes_for_its_own_job_only(table: JobTable) -> None:
    mine, other = new_job(), new_job()
    seen = asyncio.create_task(table.changed(None, 10))
    await asyncio.sleep(0)
    await table.do(verbs.submit, mine, 1)
    assert await seen
    waiting = asyncio.create_task(table.changed(mine.id, 10))
    anything = asyncio.create_task(table.changed(None, 10))
    await asyncio.sleep(0)
    await table.do(verbs.submit, other, 1)
    assert await anything
    assert not waiting.done()
    await table.do(verbs.request_cancel, mine.id, 2)
    assert await waiting
    assert not await table.changed(mine.id, 0.01)


def test_migrations_run_once_and_states_cannot_lie(tmp_path: Path) -> None:
    conn = connect(tmp_path / "rushes.db")
    assert migrate(conn) == migrate(conn) >= 1
    verbs.submit(conn, new_job(), 1)
    for lie in ("status = 'SUCCEEDED'", "status = 'RUNNING'", "finished_at = 5", "progress = 101", "status = 'ODD'"):
        with pytest.raises(sqlite3.IntegrityError):
            conn.execute(f"UPDATE jobs SET {lie}")
    conn.close()


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("ready_jobs", "jobs_ready"),
        ("list_jobs_by_status", "jobs_by_status"),
        ("list_jobs_by_type", "jobs_by_type"),
        ("alive_attempt", "attempts_alive"),
        ("alive_attempts", "attempts_alive"),
        ("events_of_job_after", "events_by_job"),
        ("due_deliveries", "deliveries_due"),
        ("list_deliveries_by_status", "deliveries_by_status"),
        ("release_waiting", "job_inputs_by_input"),
        ("fail_waiting", "job_inputs_by_input"),
        ("due_sweeps", "sweeps_by_time"),
        ("finished_before", "jobs_finished"),
    ],
)
def test_questions_asked_all_day_use_their_index(tmp_path: Path, name: str, index: str) -> None:
    conn = connect(tmp_path / "rushes.db")
    migrate(conn)
    values = dict.fromkeys(
        ("now", "limit", "status", "cursor", "type", "job_id", "after", "before", "finished_at", "id"), 1
    )
    plan = " ".join(row["detail"] for row in conn.execute(f"EXPLAIN QUERY PLAN {statements()[name]}", values))
    conn.close()
    assert index in plan
    assert "TEMP B-TREE" not in plan
