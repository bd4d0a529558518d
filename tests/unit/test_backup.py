"""A backup of a database in use is whole, is one file, and can be put in its place."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from uuid6 import uuid7

from control_plane.jobs import queries, verbs
from control_plane.jobs.backup import back_up, examine
from control_plane.jobs.database import DatabaseFailed, newest_version
from control_plane.jobs.records import NewJob
from control_plane.jobs.table import JobTable
from shared.errors import Conflict, NotFound
from shared.job_types import JobType


@pytest.fixture
async def table(tmp_path: Path) -> AsyncIterator[JobTable]:
    table = await JobTable.open(tmp_path / "rushes.db")
    yield table
    await table.close()


async def submit(table: JobTable, count: int) -> None:
    new = [NewJob(str(uuid7()), JobType.TTS, {"text": "x" * 500}, {}) for _ in range(count)]
    await asyncio.gather(*(table.do(verbs.submit, job, 1) for job in new))


async def test_a_backup_under_load_is_restored_whole(table: JobTable, tmp_path: Path) -> None:
    await submit(table, 500)
    copying = asyncio.create_task(asyncio.to_thread(back_up, tmp_path / "rushes.db", tmp_path / "kept" / "copy.db"))
    while not copying.done():
        await submit(table, 20)
    assert await copying == (tmp_path / "kept" / "copy.db").stat().st_size
    assert [file.name for file in (tmp_path / "kept").iterdir()] == ["copy.db"], "one file"
    assert stat.S_IMODE((tmp_path / "kept" / "copy.db").stat().st_mode) == 0o600
    restored = await JobTable.open(tmp_path / "kept" / "copy.db")
    kept, now = restored.ask(queries.count_by_status)["QUEUED"], table.ask(queries.count_by_status)["QUEUED"]
    assert 500 <= kept <= now
    assert kept == restored.ask(queries.last_event_id), "each job with its event"
    await submit(restored, 1)
    await restored.close()


async def test_a_backup_overwrites_nothing(table: JobTable, tmp_path: Path) -> None:
    database = tmp_path / "rushes.db"
    with pytest.raises(Conflict):
        back_up(database, database)
    await submit(table, 1)
    assert examine(database) == "1 jobs"
    with pytest.raises(NotFound):
        back_up(tmp_path / "none.db", tmp_path / "copy.db")
    assert not (tmp_path / "none.db").exists()


async def test_a_damaged_database_is_named_and_not_copied(table: JobTable, tmp_path: Path) -> None:
    await submit(table, 500)
    await table.close()
    damaged = tmp_path / "damaged.db"
    content = bytearray((tmp_path / "rushes.db").read_bytes())
    content[40_000:60_000] = b"\xff" * 20_000
    damaged.write_bytes(content)
    with pytest.raises(DatabaseFailed):
        back_up(damaged, tmp_path / "copy.db")
    assert not list(tmp_path.glob("copy*"))
    with pytest.raises(DatabaseFailed):
        examine(damaged)
    (tmp_path / "text.db").write_text("This is not a database. " * 50)
    with pytest.raises(DatabaseFailed, match="cannot be read"):
        examine(tmp_path / "text.db")


async def test_a_database_of_another_version_is_named(table: JobTable, tmp_path: Path) -> None:
    for version, words in ((newest_version() + 1, "newer Rushes"), (newest_version() - 1, "updated at the next start")):
        other = tmp_path / f"{version}.db"
        back_up(tmp_path / "rushes.db", other)
        conn = sqlite3.connect(other)
        conn.execute(f"PRAGMA user_version = {version}")
        conn.close()
        if version > newest_version():
            with pytest.raises(DatabaseFailed, match=words):
                examine(other)
        else:
            assert words in examine(other)
    assert examine(tmp_path / "nothing.db") == "not there yet, made at the first start"
