"""A stateful model of the ledger: attempts open, run, end, are withdrawn, heard of late and twice, over months.

At every step the books are reckoned again from the attempts alone: reserved and spent are their sums, nothing is
counted twice or forgotten, and no attempt was ever opened past a cap.
"""

from __future__ import annotations

import math
import sqlite3
import tempfile
from collections import Counter
from itertools import count
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from control_plane.clock import to_datetime
from control_plane.jobs import queries, verbs
from control_plane.jobs.database import connect, migrate
from control_plane.jobs.records import AttemptRecord, NewJob, Ref
from control_plane.ledger.money import cost
from shared.job_types import JobType
from shared.states import AttemptState, JobStatus

PRICE = 1_500_001  # nano-dollars a second: not a whole number of micro-dollars
RESERVE = cost(60, PRICE)
CAPS = {"job_cap": RESERVE * 3 // 2, "day_cap": 3 * RESERVE, "month_cap": 5 * RESERVE}
OPENING = verbs.Opening("https://a.example/v2/x", "local", 29.5, 10**15, PRICE, RESERVE, **CAPS)
DAY_MS = 86_400_000
IDS = st.sampled_from(["a-u1", "b-u1"])
PICK = st.integers(0, 100)


def reckoned(conn: sqlite3.Connection, attempt: AttemptRecord, line: sqlite3.Row) -> int:
    """Micro-dollars an ended attempt has cost, in other words than the table's own."""
    took = {
        s.runpod_id: math.ceil(s.execution_ms / 1000)
        for s in queries.submissions_of_attempt(conn, attempt.job_id, attempt.number)
        if s.execution_ms
    }
    seconds = sum(took.values())
    holder_is_known = bool(took) if attempt.holder is None else attempt.holder in took
    if not holder_is_known and line["worker_ms"] is not None:
        seconds += math.ceil(line["worker_ms"] / 1000)
    elif not holder_is_known and attempt.started_at is not None:
        assert attempt.ended_at is not None
        most = max(attempt.run, 1) * math.ceil(attempt.deadline_seconds)
        seconds += min(math.ceil((attempt.ended_at - attempt.started_at) / 1000), most)
    return math.ceil(seconds * line["price"] / 1000)


class LedgerModel(RuleBasedStateMachine):
    """Most steps do something; a few replay what is over."""

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.conn: sqlite3.Connection = connect(Path(self.folder.name) / "rushes.db")
        migrate(self.conn)
        self.now = 20_000 * DAY_MS
        self.ids = count(1)
        self.ever: list[Ref] = []

    def teardown(self) -> None:
        if hasattr(self, "conn"):
            self.conn.close()
            self.folder.cleanup()

    def _alive(self) -> list[Ref]:
        return [attempt.ref for attempt in queries.alive_attempts(self.conn)]

    def _lines(self) -> list[sqlite3.Row]:
        return self.conn.execute("SELECT * FROM ledger").fetchall()

    def _attempts(self) -> list[AttemptRecord]:
        jobs = queries.list_jobs(self.conn, 1000)
        return [attempt for job in jobs for attempt in queries.attempts_of_job(self.conn, job.id)]

    def _used(self, job_id: str) -> list[int]:
        today = to_datetime(self.now).date().isoformat()
        return [
            sum(line["spent"] for line in self._lines() if line["job_id"] == job_id),
            sum(line["spent"] + line["reserved"] for line in self._lines() if line["day"] == today),
            sum(line["spent"] + line["reserved"] for line in self._lines() if line["day"][:7] == today[:7]),
        ]

    def _new_job(self) -> str:
        job_id = f"{next(self.ids):036d}"
        verbs.submit(self.conn, NewJob(job_id, JobType.TTS, {"text": "x"}, {}), self.now)
        return job_id

    @rule(pick=PICK, again=st.booleans())
    def take(self, pick: int, again: bool) -> None:
        """Open an attempt of a job that waits for its next one, or of a new job."""
        waiting = queries.ready_jobs(self.conn, self.now, 100)
        job_id = waiting[pick % len(waiting)].id if waiting and again else self._new_job()
        fits = all(taken + RESERVE <= cap for taken, cap in zip(self._used(job_id), CAPS.values(), strict=True))
        attempt = verbs.open_attempt(self.conn, job_id, OPENING, self.now)
        assert (attempt is not None) == fits, "taken exactly when every cap allows it"
        if attempt is None:
            verbs.hold(self.conn, [(job_id, "No money")], self.now + 60_000, self.now)
            assert queries.any_held(self.conn)
        else:
            self.ever.append(attempt.ref)

    @precondition(lambda self: hasattr(self, "conn") and self._alive())
    @rule(
        pick=PICK, ids=st.sets(IDS, min_size=1), claim=st.none() | IDS, run=st.integers(1, 3), ms=st.integers(0, 99_000)
    )
    def run_on(self, pick: int, ids: set[str], claim: str | None, run: int, ms: int) -> None:
        ref = self._alive()[pick % len(self._alive())]
        for runpod_id in sorted(ids):
            verbs.submitted(self.conn, ref, runpod_id, self.now)
        if claim is not None:
            verbs.started(self.conn, ref, claim, run, self.now + 1000, self.now)
        self.now += ms

    @precondition(lambda self: getattr(self, "ever", []))
    @rule(pick=PICK, runpod_id=IDS, over=st.booleans(), took=st.none() | st.integers(0, 90_000))
    def seen(self, pick: int, runpod_id: str, over: bool, took: int | None) -> None:
        """The endpoint speaks of a submission, in time or late."""
        ref = self.ever[pick % len(self.ever)]
        times = (40, took if over else None)
        verbs.submission_seen(self.conn, ref, runpod_id, "COMPLETED" if over else "IN_PROGRESS", "w1", times)

    @precondition(lambda self: hasattr(self, "conn") and self._alive())
    @rule(
        pick=PICK,
        how=st.sampled_from(["succeed", "fail", "requeue", "requeue", "cancel", "withdraw"]),
        told=st.none() | st.integers(0, 90_000),
    )
    def end(self, pick: int, how: str, told: int | None) -> None:
        ref = self._alive()[pick % len(self._alive())]
        if told is not None:
            assert verbs.note_usage(self.conn, ref, "NVIDIA L4", PRICE // 3, told)
        self._end(ref, how)

    @precondition(lambda self: getattr(self, "ever", []))
    @rule(pick=PICK, how=st.sampled_from(["succeed", "fail", "requeue", "withdraw"]))
    def end_again(self, pick: int, how: str) -> None:
        """A report of an attempt that may be long over."""
        ref = self.ever[pick % len(self.ever)]
        before = [tuple(line) for line in self._lines()]
        alive = ref in self._alive()
        if not alive:
            assert not verbs.note_usage(self.conn, ref, "B200", 10**9, 10**6)
            self._end(ref, how)
            verbs.submitted(self.conn, ref, "a-u1", self.now) if queries.attempt_by_token(
                self.conn, ref.token
            ) else None
            changed = {line[:2] for line in map(tuple, self._lines()) if line not in before}
            assert changed <= {(ref.job_id, ref.number)}

    def _end(self, ref: Ref, how: str) -> None:
        match how:
            case "succeed":
                verbs.succeed(self.conn, ref, [{"key": "k"}], {}, "local", self.now)
            case "fail":
                verbs.fail(self.conn, ref, "ENGINE_FAILED", "It broke.", None, self.now)
            case "requeue":
                verbs.requeue(self.conn, ref, "WORKER_LOST", "Again", self.now, self.now)
            case "cancel":
                verbs.request_cancel(self.conn, ref.job_id, self.now)
                verbs.canceled(self.conn, ref, self.now)
            case "withdraw":
                verbs.withdraw(self.conn, ref, self.now, "refused", self.now)

    @rule(ms=st.integers(1, 90_000) | st.integers(1, 40).map(lambda halves: halves * DAY_MS // 2))
    def time_passes(self, ms: int) -> None:
        self.now += ms
        verbs.offer_held(self.conn, self.now, 10)

    @invariant()
    def every_attempt_has_one_line_and_it_is_right(self) -> None:
        if not hasattr(self, "conn"):
            return
        lines = {(line["job_id"], line["attempt"]): line for line in self._lines()}
        attempts = {(attempt.job_id, attempt.number): attempt for attempt in self._attempts()}
        assert lines.keys() == attempts.keys()
        for key, attempt in attempts.items():
            alive = attempt.state is not AttemptState.ENDED
            assert (lines[key]["state"] == "RESERVED") == alive
            assert lines[key]["reserved"] == (RESERVE if alive else 0)
            assert lines[key]["spent"] == (0 if alive else reckoned(self.conn, attempt, lines[key]))
            assert lines[key]["day"] == to_datetime(attempt.prepared_at).date().isoformat()

    @invariant()
    def lines_are_provisional_while_the_endpoint_may_tell_more(self) -> None:
        if not hasattr(self, "conn"):
            return
        provisional = {(line["job_id"], line["attempt"]) for line in self._lines() if line["state"] == "PROVISIONAL"}
        asked = {(late.ref.job_id, late.ref.number) for late in queries.unmeasured(self.conn, 0, 1000)}
        open_still = {
            (attempt.job_id, attempt.number)
            for attempt in self._attempts()
            if attempt.state is AttemptState.ENDED
            for submission in queries.submissions_of_attempt(self.conn, attempt.job_id, attempt.number)
            if submission.status in ("IN_QUEUE", "IN_PROGRESS")
        }
        assert provisional == asked == open_still

    @invariant()
    def the_totals_are_the_sums_of_the_lines(self) -> None:
        if not hasattr(self, "conn"):
            return
        sums: Counter[tuple[str, str]] = Counter()
        for line in self._lines():
            sums[line["day"], "reserved"] += line["reserved"]
            sums[line["day"], "spent"] += line["spent"]
        totals: Counter[tuple[str, str]] = Counter()
        for total in queries.spending(self.conn, "0000-00-00", "9999-99-99"):
            totals[total.day, "reserved"] += total.reserved
            totals[total.day, "spent"] += total.spent
        assert +totals == +sums

    @invariant()
    def jobs_cost_what_the_ledger_says(self) -> None:
        if not hasattr(self, "conn"):
            return
        jobs = queries.list_jobs(self.conn, 1000)
        costs = queries.costs_of_jobs(self.conn, [job.id for job in jobs], self.now)
        for job in jobs:
            bills = queries.attempt_bills(self.conn, job.id, self.now)
            assert sum(cost(bill.seconds, bill.price) for bill in bills) == costs.get(job.id, 0)
        finished = [job.id for job in jobs if job.status is not JobStatus.RUNNING and job.ready_at is None]
        done = [job_id for job_id in finished if job_id not in {ref.job_id for ref in self._alive()}]
        assert sum(costs.get(job_id, 0) for job_id in done) == queries.settled_cost(self.conn, done)


TestLedger = LedgerModel.TestCase
TestLedger.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
