"""What the job table knows of twins."""

from __future__ import annotations

import sqlite3

from control_plane.jobs.statements import sql
from shared.job_types import JobType


def twin_user(conn: sqlite3.Connection, name: str) -> tuple[str, JobType] | None:
    """An unfinished job, its id and type, that uses the twin called `name` or trains one of that name."""
    row = conn.execute(sql("twin_user"), {"name": name}).fetchone()
    return (row["id"], JobType(row["type"])) if row else None
