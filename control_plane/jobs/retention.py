"""What the job table forgets, and when. Small batches: each is one short write among the others."""

from __future__ import annotations

import sqlite3

from control_plane.jobs.records import JobRecord
from control_plane.jobs.statements import sql


def prune_events(conn: sqlite3.Connection, before: int, limit: int) -> int:
    """Forget the oldest events from before a time; how many. Fewer than `limit`: there are no more."""
    return conn.execute(sql("prune_events"), {"before": before, "limit": limit}).rowcount


def prune_deliveries(conn: sqlite3.Connection, before: int, limit: int) -> int:
    """Forget the oldest webhook deliveries that were decided before a time; how many."""
    return conn.execute(sql("prune_deliveries"), {"before": before, "limit": limit}).rowcount


def due_sweeps(conn: sqlite3.Connection, before: int, limit: int) -> list[str]:
    """Ids of jobs, perhaps deleted since, that finished before a time and whose leftovers are still in the stores."""
    return [row["job_id"] for row in conn.execute(sql("due_sweeps"), {"before": before, "limit": limit})]


def sweep_done(conn: sqlite3.Connection, job_id: str) -> None:
    """The leftovers of the job are gone."""
    conn.execute(sql("sweep_done"), {"job_id": job_id})


def finished_before(conn: sqlite3.Connection, before: int, after: JobRecord | None, limit: int) -> list[JobRecord]:
    """Jobs that finished before a time, oldest first, from the one after `after`."""
    start = {"finished_at": after.finished_at, "id": after.id} if after else {"finished_at": 0, "id": ""}
    return [
        JobRecord.of(row) for row in conn.execute(sql("finished_before"), {**start, "before": before, "limit": limit})
    ]
