"""The ledger as the job table keeps it: reserved on taking, settled at the end, corrected by late knowledge."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from control_plane.jobs import queries, verbs
from control_plane.jobs.database import connect, migrate
from control_plane.jobs.records import NewJob, Ref, Spending
from control_plane.jobs.statements import statements
from shared.job_types import JobType

URL = "https://api.runpod.ai/v2/abc"
DAY_MS = 86_400_000
NOON = 20_000 * DAY_MS + DAY_MS // 2
TODAY, TOMORROW = "2024-10-04", "2024-10-05"
OPENING = verbs.Opening(URL, "local", 600.0, 10**15, price=1_000_000, reserve=700_000)


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    conn = connect(tmp_path / "rushes.db")
    migrate(conn)
    yield conn
    conn.close()


def submit(conn: sqlite3.Connection, number: int = 1, now: int = NOON) -> str:
    job, _ = verbs.submit(conn, NewJob(f"{number:036d}", JobType.TTS, {"text": "x"}, {}), now)
    return job.id


def take(conn: sqlite3.Connection, job_id: str, opening: verbs.Opening = OPENING, now: int = NOON) -> Ref:
    attempt = verbs.open_attempt(conn, job_id, opening, now)
    assert attempt is not None
    return attempt.ref


def run(conn: sqlite3.Connection, ref: Ref, now: int = NOON) -> Ref:
    verbs.submitted(conn, ref, "a-u1", now)
    verbs.started(conn, ref, "a-u1", 1, now + 60_000, now)
    return ref


def total(conn: sqlite3.Connection, day: str = TODAY) -> tuple[int, int]:
    """Spent and reserved on a day."""
    lines = queries.spending(conn, day, day)
    return sum(line.spent for line in lines), sum(line.reserved for line in lines)


def test_taking_a_job_reserves_and_its_end_settles(conn: sqlite3.Connection) -> None:
    ref = run(conn, take(conn, submit(conn)))
    assert queries.spending(conn, TODAY, TODAY) == [Spending(TODAY, URL, "TTS", 700_000, 0)]
    assert queries.costs_of_jobs(conn, [ref.job_id], NOON + 2500) == {ref.job_id: 3000}, "three seconds begun"
    verbs.fail(conn, ref, "ENGINE_FAILED", "It broke.", None, NOON + 9001)
    assert total(conn) == (10_000, 0)
    [bill] = queries.attempt_bills(conn, ref.job_id, NOON + DAY_MS)
    assert (bill.seconds, bill.price, bill.is_final, bill.runpod_ids) == (10, 1_000_000, False, ["a-u1"])


def test_what_the_endpoint_says_later_corrects_it_once(conn: sqlite3.Connection) -> None:
    ref = run(conn, take(conn, submit(conn)))
    verbs.succeed(conn, ref, [{"key": "k"}], {}, "local", NOON + 9000)
    for _ in range(2):
        verbs.submission_seen(conn, ref, "a-u1", "COMPLETED", "w", (40, 7200))
        assert total(conn) == (8000, 0)
    [bill] = queries.attempt_bills(conn, ref.job_id, NOON)
    assert (bill.seconds, bill.is_final) == (8, True)
    assert queries.unmeasured(conn, 0, 10) == []


def test_every_submission_of_an_attempt_is_paid_for(conn: sqlite3.Connection) -> None:
    ref = run(conn, take(conn, submit(conn)))
    verbs.submitted(conn, ref, "b-u1", NOON)
    verbs.submission_seen(conn, ref, "b-u1", "COMPLETED", "w", (40, 120))
    verbs.submission_seen(conn, ref, "a-u1", "COMPLETED", "w", (40, 5000))
    verbs.succeed(conn, ref, [{"key": "k"}], {}, "local", NOON + 9000)
    assert total(conn) == (6000, 0)
    verbs.submitted(conn, ref, "c-u1", NOON)
    assert [late.runpod_id for late in queries.unmeasured(conn, 0, 10)] == ["c-u1"], "accepted late, and asked about"
    verbs.submission_seen(conn, ref, "c-u1", "CANCELLED", "w", (40, 2000))
    assert total(conn) == (8000, 0)


def test_the_workers_own_account_stands_in_for_the_endpoints(conn: sqlite3.Connection) -> None:
    ref = run(conn, take(conn, submit(conn)))
    assert verbs.note_usage(conn, ref, "NVIDIA L4", 190_000, 4200)
    verbs.requeue(conn, ref, "WORKER_LOST", "Again", NOON, NOON + 3_600_000)
    assert total(conn) == (5 * 190, 0)
    assert not verbs.note_usage(conn, ref, "NVIDIA B200", 2_400_000, 10**6), "it is settled"
    assert queries.attempt_bills(conn, ref.job_id, NOON)[0].gpu == "NVIDIA L4"


def test_silence_costs_no_more_than_the_deadline(conn: sqlite3.Connection) -> None:
    ref = run(conn, take(conn, submit(conn)))
    verbs.requeue(conn, ref, "WORKER_LOST", "Again", NOON, NOON + DAY_MS)
    assert total(conn) == (600_000, 0)


def test_a_withdrawn_attempt_never_was(conn: sqlite3.Connection) -> None:
    ref = take(conn, submit(conn))
    assert verbs.withdraw(conn, ref, NOON, "refused", NOON)
    assert total(conn) == (0, 0)
    again = take(conn, ref.job_id)
    assert again.number == ref.number
    assert not verbs.note_usage(conn, ref, "NVIDIA B200", 2_400_000, 10**6), "an old token speaks for nobody"
    assert total(conn) == (0, 700_000)


def test_money_stays_spent_when_its_job_is_deleted(conn: sqlite3.Connection) -> None:
    ref = run(conn, take(conn, submit(conn)))
    verbs.succeed(conn, ref, [{"key": "k"}], {}, "local", NOON + 9000)
    verbs.delete(conn, ref.job_id)
    assert total(conn) == (9000, 0)
    assert conn.execute("SELECT count(*) FROM ledger WHERE state = 'PROVISIONAL'").fetchone()[0] == 0


def test_what_was_reserved_today_is_booked_today_even_if_it_ends_tomorrow(conn: sqlite3.Connection) -> None:
    ref = run(conn, take(conn, submit(conn), now=NOON + DAY_MS // 2 - 1000), now=NOON + DAY_MS // 2 - 1000)
    verbs.succeed(conn, ref, [{"key": "k"}], {}, "local", NOON + DAY_MS // 2 + 1000)
    assert (total(conn), total(conn, TOMORROW)) == ((2000, 0), (0, 0))


@pytest.mark.parametrize("cap", ["job_cap", "day_cap", "month_cap"])
def test_no_cap_is_passed_by_taking(conn: sqlite3.Connection, cap: str) -> None:
    job_id = submit(conn)
    ref = run(conn, take(conn, job_id))
    verbs.requeue(conn, ref, "WORKER_LOST", "Again", NOON, NOON + 100_000)
    just = replace(OPENING, **{cap: 800_000})
    assert verbs.open_attempt(conn, job_id, replace(OPENING, **{cap: 799_999}), NOON) is None
    assert queries.job_by_id(conn, job_id).ready_at == NOON  # type: ignore[union-attr] # it is there
    run(conn, take(conn, job_id, just))
    if cap != "job_cap":
        assert verbs.open_attempt(conn, submit(conn, 2), just, NOON) is None, "what is reserved counts too"


def test_the_day_and_the_month_begin_anew(conn: sqlite3.Connection) -> None:
    tight = replace(OPENING, day_cap=700_000, month_cap=1_400_000)
    take(conn, submit(conn, 1), tight)
    waiting = submit(conn, 2)
    assert verbs.open_attempt(conn, waiting, tight, NOON) is None
    take(conn, waiting, tight, NOON + DAY_MS)
    third = submit(conn, 3)
    assert verbs.open_attempt(conn, third, tight, NOON + 2 * DAY_MS) is None, "the month is spent"
    take(conn, third, tight, NOON + 31 * DAY_MS)


def test_a_held_job_says_why_once_and_is_offered_again(conn: sqlite3.Connection) -> None:
    job_id = submit(conn)
    for seconds in range(0, 1200, 60):
        now = NOON + seconds * 1000
        verbs.hold(conn, [(job_id, f"Held: {1200 - seconds} left")], now + 60_000, now)
    job = queries.job_by_id(conn, job_id)
    assert job is not None
    assert (job.stage, job.ready_at) == ("held_by_budget", NOON + 1_200_000)
    assert len(queries.events_after(conn, 0, job_id)) == 1 + 2, "taken, held, and the figures after ten minutes"
    assert (queries.any_held(conn), queries.count_held(conn)) == (True, 1)
    assert queries.ready_jobs(conn, NOON, 10) == []
    assert verbs.offer_held(conn, NOON, 10) == 1
    assert [ready.id for ready in queries.ready_jobs(conn, NOON, 10)] == [job_id]
    take(conn, job_id)
    assert not queries.any_held(conn)


def test_the_most_urgent_of_the_held_are_offered_first(conn: sqlite3.Connection) -> None:
    for number, priority in ((1, 0), (2, 5), (3, 0)):
        verbs.submit(conn, NewJob(f"{number:036d}", JobType.TTS, {}, {}, priority), NOON)
    held = [(f"{number:036d}", "Held") for number in (1, 2, 3)]
    verbs.hold(conn, held, NOON + 60_000, NOON)
    assert verbs.offer_held(conn, NOON, 2) == 2
    assert [int(job.id) for job in queries.ready_jobs(conn, NOON, 10)] == [2, 1]


def test_a_canceled_or_taken_job_is_not_held_or_given_up(conn: sqlite3.Connection) -> None:
    taken, canceled = submit(conn, 1), submit(conn, 2)
    take(conn, taken)
    verbs.request_cancel(conn, canceled, NOON)
    for job_id in (taken, canceled):
        before = queries.job_by_id(conn, job_id)
        verbs.hold(conn, [(job_id, "Held")], NOON + 1, NOON)
        assert not verbs.give_up(conn, job_id, "COST_CAP_EXCEEDED", "Too dear", NOON)
        assert queries.job_by_id(conn, job_id) == before


def test_history_is_of_the_type_at_the_endpoint(conn: sqlite3.Connection) -> None:
    for number, url in ((1, URL), (2, "local"), (3, URL)):
        ref = run(conn, take(conn, submit(conn, number), replace(OPENING, endpoint=url)))
        verbs.submission_seen(conn, ref, "a-u1", "COMPLETED", "w", (0, number * 1000))
        verbs.succeed(conn, ref, [{"key": "k"}], {}, "local", NOON)
    assert queries.recent_seconds(conn, JobType.TTS, URL) == [3, 1]
    assert queries.recent_seconds(conn, JobType.RENDER, URL) == []


def test_no_number_of_the_ledger_can_lie(conn: sqlite3.Connection) -> None:
    take(conn, submit(conn))
    for lie in ("reserved = -1", "spent = 5", "state = 'ODD'", "state = 'FINAL'"):
        with pytest.raises(sqlite3.IntegrityError):
            conn.execute(f"UPDATE ledger SET {lie}")


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("any_held", "jobs_held"),
        ("offer_held_jobs", "jobs_held"),
        ("unmeasured", "ledger_provisional"),
        ("budget_used", "USING PRIMARY KEY"),
        ("costs_of_jobs", "USING PRIMARY KEY (job_id=?)"),
        ("settled_cost", "USING PRIMARY KEY (job_id=?)"),
        ("attempt_bills", "SEARCH a USING PRIMARY KEY (job_id=?)"),
        ("recent_seconds", "jobs_by_type"),
    ],
)
def test_questions_about_money_use_an_index(conn: sqlite3.Connection, name: str, index: str) -> None:
    steps = plan(conn, statements()[name])
    assert index in " ".join(steps)
    assert all(step.endswith(("jobs_held", "ledger_provisional")) for step in scans(steps)), "partial, so few rows"


def test_settling_reads_one_attempt_alone(conn: sqlite3.Connection) -> None:
    assert scans(plan(conn, "SELECT * FROM settlements WHERE job_id = :job_id AND attempt = :limit")) == set()


def plan(conn: sqlite3.Connection, statement: str) -> list[str]:
    values = dict.fromkeys(("now", "limit", "since", "job_id", "ids", "type", "endpoint"), 1)
    return [row["detail"] for row in conn.execute(f"EXPLAIN QUERY PLAN {statement}", values)]


def scans(steps: list[str]) -> set[str]:
    """Steps that read a whole table."""
    return {step for step in steps if step.startswith("SCAN") and "json_each" not in step and "CONSTANT" not in step}
