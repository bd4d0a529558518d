"""A database with a long past and jobs in flight, written by SQL: made in seconds instead of days."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from control_plane.jobs.database import connect, migrate

_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows)"
_FINISHED = [
    """
    INSERT INTO jobs (id, type, params, status, stage, stage_message, progress, attempts, runpod_job_id, store, outputs,
                      engine, created_at, updated_at, started_at, finished_at, version)
    SELECT printf('%08x-0000-7000-8000-%012x', i / 1000, i), 'RENDER',
           '{"prompt":"a quiet harbour at dawn, slow camera","duration":5,"resolution":"720p","aspect_ratio":"16:9"}',
           'SUCCEEDED', 'done', 'Done', 100, 1, 'past-' || i, :store,
           '[{"key":"jobs/' || i || '/1/1/video.mp4","kind":"video","content_type":"video/mp4","bytes":2400000}]',
           '{"name":"cogvideox-5b","device":"cuda","seed":7}',
           :now - 5184000000 + i * 4, :now - 5184000000 + i * 4, :now - 5184000000 + i * 4, :now - 5184000000 + i * 4, 9
    FROM n
    """,
    """
    INSERT INTO attempts (job_id, number, token, state, endpoint, store, deadline_seconds, start_before, prepared_at,
                          sent_at, started_at, ended_at, holder, run, seq, outcome)
    SELECT printf('%08x-0000-7000-8000-%012x', i / 1000, i), 1, 'past-token-' || i, 'ENDED', :endpoint, :store, 3600,
           :now, :now, :now, :now, :now, 'past-' || i, 1, 50, 'SUCCEEDED'
    FROM n
    """,
    """
    INSERT INTO submissions (job_id, attempt, runpod_id, submitted_at, status, delay_ms, execution_ms)
    SELECT printf('%08x-0000-7000-8000-%012x', i / 1000, i), 1, 'past-' || i, :now, 'COMPLETED', 900, 60000 FROM n
    """,
    """
    INSERT INTO ledger (job_id, attempt, type, endpoint, day, price, state, reserved, spent)
    SELECT printf('%08x-0000-7000-8000-%012x', i / 1000, i), 1, 'RENDER', :endpoint, '2026-01-01', 400000, 'FINAL', 0,
           24000
    FROM n
    """,
]
_RUNNING = [
    """
    INSERT INTO jobs (id, type, params, status, stage, stage_message, attempts, runpod_job_id, created_at, updated_at,
                      started_at, version)
    SELECT printf('ffffffff-0000-7000-8000-%012x', i), 'RENDER', '{"prompt":"a quiet harbour at dawn"}', 'RUNNING',
           'rendering', 'step', 1, 'run-' || i, :now, :now, :now - 60000, 9
    FROM n
    """,
    """
    INSERT INTO attempts (job_id, number, token, state, endpoint, store, deadline_seconds, start_before, prepared_at,
                          sent_at, started_at, holder, lease_expires_at, run, seq)
    SELECT printf('ffffffff-0000-7000-8000-%012x', i), 1, 'token-' || i, 'STARTED', :endpoint, :store, 3600,
           :now + 3600000, :now, :now, :now - 60000, 'run-' || i, :now + 180000, 1, 0
    FROM n
    """,
    """
    INSERT INTO submissions (job_id, attempt, runpod_id, submitted_at, status)
    SELECT printf('ffffffff-0000-7000-8000-%012x', i), 1, 'run-' || i, :now, 'IN_PROGRESS' FROM n
    """,
    """
    INSERT INTO ledger (job_id, attempt, type, endpoint, day, price, state, reserved)
    SELECT printf('ffffffff-0000-7000-8000-%012x', i), 1, 'RENDER', :endpoint, date('now'), 400000, 'RESERVED', 1440000
    FROM n
    """,
]


@dataclass(frozen=True)
class Running:
    """A job of `seed` that is in flight, by its number, counted from 1."""

    number: int

    @property
    def job_id(self) -> str:
        """Its id."""
        return f"ffffffff-0000-7000-8000-{self.number:012x}"

    @property
    def token(self) -> str:
        """Its attempt's token."""
        return f"token-{self.number}"

    @property
    def runpod_id(self) -> str:
        """Its submission."""
        return f"run-{self.number}"


def seed(database: Path, *, finished: int, running: int, endpoint: str, store: str) -> None:
    """Make the file: `finished` jobs that succeeded in the last two months, `running` ones that report."""
    conn = connect(database)
    migrate(conn)
    conn.execute("PRAGMA synchronous = OFF")
    values = {"endpoint": endpoint, "store": store, "now": time.time_ns() // 1_000_000}
    for rows, statements in ((finished, _FINISHED), (running, _RUNNING)):
        for statement in statements if rows else []:
            conn.execute("BEGIN")
            conn.execute(f"{_NUMBERS} {statement}", values | {"rows": rows})
            conn.execute("COMMIT")
    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    conn.close()
