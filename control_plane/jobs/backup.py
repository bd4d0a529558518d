"""Copies of the database, made while it is in use, and a look at its health.

The copy is SQLite's own online backup (sqlite.org/backup.html): one consistent moment, without stopping a writer.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from control_plane.jobs.database import DatabaseFailed, connect, newest_version
from shared.errors import Conflict, NotFound


def back_up(database: Path, target: Path) -> int:
    """Copy the database into a new file, whole, checked and on the disk or not at all; its size in bytes.

    To restore, stop Rushes, put the copy in the database's place and remove the `-wal` and `-shm` files beside it.
    NotFound when there is no database, Conflict when the target is there already, DatabaseFailed.
    """
    if not database.exists():
        raise NotFound(f"There is no database at {database} yet")
    if target.exists():
        raise Conflict(f"{target} is there already: name another file")
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = target.with_name(f"{target.name}.part")
    try:
        draft.unlink(missing_ok=True)
        _copy(database, draft)
        draft.replace(target)
        _sync(target.parent)
    except (sqlite3.Error, OSError) as error:
        raise DatabaseFailed(f"The backup could not be made: {error}") from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    return target.stat().st_size


def _copy(database: Path, draft: Path) -> None:
    draft.touch(0o600)
    with closing(connect(database, read_only=True)) as source, closing(sqlite3.connect(draft)) as copy:
        source.backup(copy)
        # A copy in WAL mode would not be one file.
        copy.execute("PRAGMA journal_mode = DELETE")
        _check(copy)
    _sync(draft)


def _check(conn: sqlite3.Connection) -> None:
    found = conn.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise DatabaseFailed(f"The database is damaged ({found}): restore a backup", retryable=False)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def examine(database: Path) -> str:
    """How the database is, in a few words. DatabaseFailed says what is wrong and what to do."""
    if not database.exists():
        return "not there yet, made at the first start"
    try:
        with closing(connect(database, read_only=True)) as conn:
            _check(conn)
            version: int = conn.execute("PRAGMA user_version").fetchone()[0]
            jobs: int = conn.execute("SELECT count(*) FROM jobs").fetchone()[0] if version else 0
    except (sqlite3.Error, OSError) as error:
        raise DatabaseFailed(f"It cannot be read ({error}): check who owns it, or restore a backup") from error
    if version > newest_version():
        raise DatabaseFailed("It was written by a newer Rushes: update this one", retryable=False)
    return f"{jobs} jobs" + (", updated at the next start" if version < newest_version() else "")
