"""Whichever verb ends a job, what waits for its output hears of it in the same transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from uuid6 import uuid7

from control_plane.jobs import queries, verbs
from control_plane.jobs.database import connect, migrate
from control_plane.jobs.records import JobRecord, NewJob, Ref
from shared.errors import InvalidRequest
from shared.job_types import JobType
from shared.states import JobStatus

OPENING = verbs.Opening("local", "local", 60.0, 10**12)


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    conn = connect(tmp_path / "rushes.db")
    migrate(conn)
    yield conn
    conn.close()


def submit(conn: sqlite3.Connection, *inputs: str) -> str:
    job, _ = verbs.submit(conn, NewJob(str(uuid7()), JobType.TTS, {}, {}, inputs=inputs), 1)
    return job.id


def job(conn: sqlite3.Connection, job_id: str) -> JobRecord:
    found = queries.job_by_id(conn, job_id)
    assert found is not None
    return found


def attempt(conn: sqlite3.Connection, job_id: str) -> Ref:
    opened = verbs.open_attempt(conn, job_id, OPENING, 2)
    assert opened is not None
    return opened.ref


def refuse(conn: sqlite3.Connection, job_id: str) -> None:
    verbs.refuse(conn, attempt(conn, job_id), "NO", "No.", 3)


def fail(conn: sqlite3.Connection, job_id: str) -> None:
    verbs.fail(conn, attempt(conn, job_id), "NO", "No.", None, 3)


def cancel_before_it_is_sent(conn: sqlite3.Connection, job_id: str) -> None:
    verbs.request_cancel(conn, job_id, 3)


def cancel(conn: sqlite3.Connection, job_id: str) -> None:
    ref = attempt(conn, job_id)
    verbs.request_cancel(conn, job_id, 3)
    verbs.canceled(conn, ref, 4)


def cancel_what_was_lost(conn: sqlite3.Connection, job_id: str) -> None:
    ref = attempt(conn, job_id)
    verbs.request_cancel(conn, job_id, 3)
    verbs.requeue(conn, ref, "WORKER_LOST", "Again", 4, 4)


def cancel_what_was_refused(conn: sqlite3.Connection, job_id: str) -> None:
    ref = attempt(conn, job_id)
    verbs.request_cancel(conn, job_id, 3)
    verbs.withdraw(conn, ref, 4, "No.", 4)


def give_up(conn: sqlite3.Connection, job_id: str) -> None:
    verbs.give_up(conn, job_id, "NO", "No.", 3)


@pytest.mark.parametrize(
    "end",
    [refuse, fail, cancel_before_it_is_sent, cancel, cancel_what_was_lost, cancel_what_was_refused, give_up],
    ids=lambda end: end.__name__,
)
def test_every_end_without_success_fails_what_waits(
    conn: sqlite3.Connection, end: Callable[[sqlite3.Connection, str], None]
) -> None:
    source = submit(conn)
    waiting = submit(conn, source)
    after = submit(conn, waiting)
    end(conn, source)
    assert job(conn, source).status in (JobStatus.FAILED, JobStatus.CANCELED)
    assert [job(conn, one).error_code for one in (waiting, after)] == ["INPUT_FAILED"] * 2


def test_a_success_lets_go_only_those_who_wait_for_nothing_else(conn: sqlite3.Connection) -> None:
    first, second = submit(conn), submit(conn)
    one, both = submit(conn, first), submit(conn, first, second)
    for number, source in enumerate((first, second)):
        verbs.succeed(conn, attempt(conn, source), [{"key": "a"}], {}, "local", 5)
        assert job(conn, one).ready_at == 5
        assert job(conn, both).ready_at == (5 if number else None)
    assert verbs.open_attempt(conn, one, OPENING, 6) is not None


def test_a_very_long_row_of_waiting_jobs_falls_at_once(conn: sqlite3.Connection) -> None:
    row = [submit(conn)]
    for _ in range(1500):
        row.append(submit(conn, row[-1]))
    fail(conn, row[0])
    assert queries.count_by_status(conn) == {"FAILED": 1501}


def test_an_input_that_is_lost_between_check_and_submit_is_refused(conn: sqlite3.Connection) -> None:
    source = submit(conn)
    fail(conn, source)
    for lost in (source, str(uuid7())):
        with pytest.raises(InvalidRequest) as refused:
            submit(conn, lost)
        assert refused.value.code_now == "BAD_REFERENCE"
    assert queries.count_by_status(conn) == {"FAILED": 1}
