"""Opening the SQLite file: pragmas, numbered migrations, and the lock that keeps a second process out."""

from __future__ import annotations

import fcntl
import re
import sqlite3
from importlib.resources import files
from pathlib import Path

from shared.errors import RushesError

_MIGRATION = re.compile(r"(\d{4})_\w+\.sql")


class DatabaseBusy(RushesError):
    """Another process already owns this database."""

    code = "DATABASE_BUSY"


class DatabaseFailed(RushesError):
    """The database could not be written: the disk may be full."""

    code = "DATABASE_FAILED"
    retryable = True


class OwnershipLock:
    """One process owns the database: an exclusive lock on `<file>.lock`, released by the kernel when it ends."""

    def __init__(self, database: Path) -> None:
        database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = database.with_name(database.name + ".lock").open("a")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as taken:
            self._file.close()
            raise DatabaseBusy("Another Rushes process is already running on this database") from taken

    def release(self) -> None:
        """Let another process own the database."""
        self._file.close()


def connect(database: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode: transactions are begun by name (the writer does).

    `synchronous=FULL` in WAL: a commit is on the disk when it returns (sqlite.org/pragma.html#pragma_synchronous).
    """
    conn = sqlite3.connect(database, isolation_level=None, check_same_thread=False, timeout=5)
    conn.row_factory = sqlite3.Row
    conn.execute("PRAGMA journal_mode = WAL")
    conn.execute("PRAGMA synchronous = FULL")
    conn.execute("PRAGMA foreign_keys = ON")
    if read_only:
        conn.execute("PRAGMA query_only = ON")
    return conn


def migrate(conn: sqlite3.Connection) -> int:
    """Bring the schema up to date, each migration in its own transaction; returns the version reached."""
    version: int = conn.execute("PRAGMA user_version").fetchone()[0]
    for number, script in _migrations():
        if number > version:
            conn.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {number}; COMMIT;")
            version = number
    return version


def newest_version() -> int:
    """The version of the schema that this program brings a database to."""
    return _migrations()[-1][0]


def _migrations() -> list[tuple[int, str]]:
    folder = files("control_plane.jobs") / "migrations"
    named = [(match, file) for file in folder.iterdir() if (match := _MIGRATION.fullmatch(file.name))]
    return sorted((int(match[1]), file.read_text(encoding="utf-8")) for match, file in named)
