"""What the job table keeps of past waits: by endpoint and reason, the latest hundred, however many jobs there were."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from control_plane.jobs import queries, verbs
from control_plane.jobs.database import connect, migrate
from control_plane.jobs.records import NewJob, Ref
from control_plane.jobs.statements import sql
from shared.job_types import JobType

URL = "https://api.runpod.ai/v2/abc"
NOW = 1_700_000_000_000
PLAIN, COLD = "waiting_for_worker", "cold_start"


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    conn = connect(tmp_path / "rushes.db")
    migrate(conn)
    yield conn
    conn.close()


def sent(conn: sqlite3.Connection, number: int = 1, endpoint: str = URL) -> Ref:
    job, _ = verbs.submit(conn, NewJob(f"{number:036d}", JobType.TTS, {"text": "x"}, {}), NOW)
    attempt = verbs.open_attempt(conn, job.id, verbs.Opening(endpoint, "local", 600.0, NOW * 2), NOW)
    assert attempt is not None
    verbs.submitted(conn, attempt.ref, f"r{number}", NOW)
    return attempt.ref


def started_after(conn: sqlite3.Connection, ref: Ref, milliseconds: int) -> None:
    verbs.started(conn, ref, f"r{int(ref.job_id)}", 1, NOW * 2, NOW + milliseconds)


def told(conn: sqlite3.Connection, stage: str, endpoint: str = URL) -> None:
    verbs.explain_waiting(conn, endpoint, stage, ("Wait", ""), NOW)


def end(conn: sqlite3.Connection, ref: Ref) -> None:
    verbs.fail(conn, ref, "ENGINE_FAILED", "It broke.", None, NOW + 10**7)


def test_our_own_measure_where_the_endpoint_has_none(conn: sqlite3.Connection) -> None:
    ref = sent(conn)
    started_after(conn, ref, 7000)
    assert queries.recent_waits(conn, URL, PLAIN) == [], "it has not ended"
    end(conn, ref)
    assert queries.recent_waits(conn, URL, PLAIN) == [7000]


def test_the_endpoints_own_measure_wins(conn: sqlite3.Connection) -> None:
    ref = sent(conn)
    started_after(conn, ref, 3_600_000)
    verbs.submission_seen(conn, ref, "r1", "IN_PROGRESS", "w", (4000, None))
    end(conn, ref)
    assert queries.recent_waits(conn, URL, PLAIN) == [4000], "the plane was away when it began"


def test_a_finished_job_whose_claim_nobody_saw_counts_too(conn: sqlite3.Connection) -> None:
    ref = sent(conn)
    verbs.submission_seen(conn, ref, "r1", "IN_PROGRESS", "w", (300, None))
    verbs.succeed(conn, ref, [{"key": "k"}], {}, "local", NOW)
    assert queries.recent_waits(conn, URL, PLAIN) == [300]


def test_an_attempt_nobody_started_tells_nothing(conn: sqlite3.Connection) -> None:
    ref = sent(conn)
    verbs.submission_seen(conn, ref, "r1", "CANCELLED", None, (90_000, 0))
    end(conn, ref)
    assert queries.recent_waits(conn, URL, PLAIN) == []


def test_a_wait_is_remembered_by_the_first_trouble_that_was_told(conn: sqlite3.Connection) -> None:
    cold, plain, elsewhere = sent(conn, 1), sent(conn, 2, "local"), sent(conn, 3, "local")
    for stage in (PLAIN, COLD, "throttled", PLAIN):
        told(conn, stage)
    for ref in (plain, cold, elsewhere):
        started_after(conn, ref, 5000)
        told(conn, COLD, "local")
        end(conn, ref)
    assert queries.recent_waits(conn, URL, COLD) == [5000]
    assert queries.recent_waits(conn, URL, "throttled") == []
    assert queries.recent_waits(conn, "local", PLAIN) == [5000], "it ran before anything was wrong"
    assert queries.recent_waits(conn, "local", COLD) == [5000]


def test_the_latest_hundred_are_kept(conn: sqlite3.Connection) -> None:
    other = sent(conn, 1000, "local")
    started_after(conn, other, 1)
    end(conn, other)
    for number in range(1, 131):
        ref = sent(conn, number)
        started_after(conn, ref, number)
        end(conn, ref)
    assert queries.recent_waits(conn, URL, PLAIN, 1000) == list(range(130, 30, -1))
    assert conn.execute("SELECT count(*) FROM waits").fetchone()[0] == 101
    assert queries.recent_waits(conn, "local", PLAIN) == [1]


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("recent_waits", "SEARCH waits USING INDEX waits_by_reason (endpoint=? AND stage=?)"),
        ("note_waiting", "attempts_alive"),
        ("explain_waiting", "attempts_alive"),
        ("explain_turns", "jobs_ready"),
    ],
)
def test_questions_about_waiting_use_an_index(conn: sqlite3.Connection, name: str, index: str) -> None:
    values = dict.fromkeys(("endpoint", "stage", "message", "usual", "now", "limit"), 1)
    steps = [row["detail"] for row in conn.execute(f"EXPLAIN QUERY PLAN {sql(name)}", values)]
    assert index in " ".join(steps)
    whole = [step for step in steps if step.startswith("SCAN") and "USING INDEX" not in step]
    assert not [step for step in whole if step.split()[1] in ("jobs", "attempts", "waits")]
