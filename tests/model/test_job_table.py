"""A stateful model of the job table: whatever is called, in whatever order, with whatever old token, the rules hold.

Every attempt ever opened is kept and replayed for ever: a late report of any of them must change nothing.
"""

from __future__ import annotations

import itertools
import sqlite3
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from control_plane.jobs import deliveries, queries, verbs
from control_plane.jobs.database import connect, migrate
from control_plane.jobs.records import JobRecord, NewJob, Ref
from shared.errors import Conflict, InvalidRequest
from shared.job_types import JobType
from shared.states import AttemptState, JobStatus

OPENING = verbs.Opening("local", "local", 60.0, 10**12)
OUTPUTS = [{"key": "jobs/x/1/1/a.wav"}]
LOST = {JobStatus.FAILED, JobStatus.CANCELED}
LEGAL = {
    JobStatus.QUEUED: set(JobStatus),
    JobStatus.RUNNING: set(JobStatus),
    JobStatus.SUCCEEDED: {JobStatus.SUCCEEDED},
    JobStatus.FAILED: {JobStatus.FAILED},
    JobStatus.CANCELED: {JobStatus.CANCELED},
}


class JobTableModel(RuleBasedStateMachine):
    """Calls verbs as a confused world would."""

    jobs: Bundle[str] = Bundle("jobs")
    refs: Bundle[Ref] = Bundle("refs")

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.conn: sqlite3.Connection = connect(Path(self.folder.name) / "rushes.db")
        migrate(self.conn)
        self.clock = itertools.count(1000, 10)
        self.ids = itertools.count(1)
        self.seen: dict[str, JobRecord] = {}
        self.alive: dict[str, Ref] = {}
        self.inputs: dict[str, tuple[str, ...]] = {}

    def teardown(self) -> None:
        if hasattr(self, "conn"):
            self.conn.close()
            self.folder.cleanup()

    @rule(target=jobs, priority=st.integers(-2, 2))
    def submit(self, priority: int) -> str:
        job_id = f"{next(self.ids):036d}"
        verbs.submit(self.conn, NewJob(job_id, JobType.TTS, {"text": "x"}, {}, priority), next(self.clock))
        return job_id

    @rule(target=jobs, first=jobs, second=jobs)
    def submit_after(self, first: str, second: str) -> object:
        job_id = f"{next(self.ids):036d}"
        inputs = tuple({first, second})
        new = NewJob(job_id, JobType.EXPORT, {}, {}, webhook_url="https://hooks.example/", inputs=inputs)
        lost = any(self._status(input_id) in LOST for input_id in inputs)
        try:
            verbs.submit(self.conn, new, next(self.clock))
        except InvalidRequest:
            assert lost
            return multiple()
        assert not lost, "its output will never be there"
        self.inputs[job_id] = inputs
        return job_id

    @rule(target=refs, job_id=jobs)
    def open_attempt(self, job_id: str) -> object:
        before = queries.job_by_id(self.conn, job_id)
        assert before is not None
        now = next(self.clock)
        attempt = verbs.open_attempt(self.conn, job_id, OPENING, now)
        may = before.ready_at is not None and before.ready_at <= now
        assert (attempt is not None) == may, "exactly the jobs that wait can be taken, and each once"
        if attempt is None:
            return multiple()
        assert job_id not in self.alive
        self.alive[job_id] = attempt.ref
        return attempt.ref

    def _status(self, job_id: str) -> JobStatus:
        job = queries.job_by_id(self.conn, job_id)
        assert job is not None
        return job.status

    def _expect(self, ref: Ref, changed: bool, *, ends: bool = False) -> None:
        if changed:
            assert self.alive.get(ref.job_id) == ref, "only the living attempt can change anything"
            if ends:
                del self.alive[ref.job_id]

    @rule(ref=refs, runpod_id=st.sampled_from(["a-u1", "b-u1"]))
    def submitted(self, ref: Ref, runpod_id: str) -> None:
        if queries.attempt_by_token(self.conn, ref.token) is not None:
            self._expect(ref, verbs.submitted(self.conn, ref, runpod_id, next(self.clock)))

    @rule(ref=refs)
    def unanswered(self, ref: Ref) -> None:
        self._expect(ref, verbs.unanswered(self.conn, ref, next(self.clock)))

    @rule(ref=refs)
    def sending_again(self, ref: Ref) -> None:
        self._expect(ref, verbs.sending_again(self.conn, ref, next(self.clock)))

    @rule(ref=refs)
    def withdraw(self, ref: Ref) -> None:
        now = next(self.clock)
        self._expect(ref, verbs.withdraw(self.conn, ref, now, "refused", now), ends=True)

    @rule(ref=refs)
    def refuse(self, ref: Ref) -> None:
        self._expect(ref, verbs.refuse(self.conn, ref, "ENDPOINT_REFUSED", "No.", next(self.clock)), ends=True)

    @rule(ref=refs, holder=st.sampled_from(["a-u1", "b-u1"]), run=st.integers(1, 3))
    def started(self, ref: Ref, holder: str, run: int) -> None:
        now = next(self.clock)
        if queries.attempt_by_token(self.conn, ref.token) is not None:
            self._expect(ref, verbs.started(self.conn, ref, holder, run, now + 100, now))

    @rule(ref=refs, run=st.integers(1, 3), seq=st.integers(1, 5), percent=st.integers(0, 100))
    def progressed(self, ref: Ref, run: int, seq: int, percent: int) -> None:
        before = queries.attempt_by_token(self.conn, ref.token)
        now = next(self.clock)
        changed = verbs.progressed(self.conn, ref, (run, seq), ("rendering", percent, "…"), now, now)
        self._expect(ref, changed)
        if changed:
            assert before is not None
            assert (before.run, before.seq) < (run, seq), "progress only moves forward"

    @rule(ref=refs)
    def succeed(self, ref: Ref) -> None:
        changed = verbs.succeed(self.conn, ref, OUTPUTS, {"name": "t"}, "local", next(self.clock))
        self._expect(ref, changed, ends=True)

    @rule(ref=refs)
    def fail(self, ref: Ref) -> None:
        changed = verbs.fail(self.conn, ref, "ENGINE_FAILED", "It broke.", None, next(self.clock))
        self._expect(ref, changed, ends=True)

    @rule(ref=refs)
    def requeue(self, ref: Ref) -> None:
        now = next(self.clock)
        self._expect(ref, verbs.requeue(self.conn, ref, "WORKER_LOST", "Again", now, now), ends=True)

    @rule(ref=refs)
    def canceled(self, ref: Ref) -> None:
        job = queries.job_by_id(self.conn, ref.job_id)
        if job is not None and job.cancel_requested_at is not None:
            self._expect(ref, verbs.canceled(self.conn, ref, next(self.clock)), ends=True)

    @rule(job_id=jobs)
    def request_cancel(self, job_id: str) -> None:
        before = queries.job_by_id(self.conn, job_id)
        assert before is not None
        try:
            after = verbs.request_cancel(self.conn, job_id, next(self.clock))
        except Conflict:
            assert before.status in (JobStatus.SUCCEEDED, JobStatus.FAILED)
        else:
            assert after.status is JobStatus.CANCELED or job_id in self.alive

    @rule()
    def restart(self) -> None:
        verbs.restart(self.conn)

    @invariant()
    def states_only_move_as_allowed(self) -> None:
        if not hasattr(self, "conn"):
            return
        for job in queries.list_jobs(self.conn, 200):
            before = self.seen.get(job.id)
            if before is not None:
                assert job.status in LEGAL[before.status]
                assert job.version >= before.version
                if before.status.is_terminal:
                    assert job == before, "a finished job never changes"
            self.seen[job.id] = job

    @invariant()
    def the_living_attempt_is_the_one_we_know(self) -> None:
        if not hasattr(self, "conn"):
            return
        alive = {attempt.job_id: attempt.ref for attempt in queries.alive_attempts(self.conn)}
        assert alive == self.alive

    @invariant()
    def every_unfinished_job_waits_or_is_followed(self) -> None:
        if not hasattr(self, "conn"):
            return
        for job in queries.list_jobs(self.conn, 200):
            inputs = {self._status(input_id) for input_id in self.inputs.get(job.id, ())}
            waits = bool(inputs & {JobStatus.QUEUED, JobStatus.RUNNING})
            ready = job.ready_at is not None
            followed = job.id in self.alive
            assert job.status.is_terminal or ready + waits + followed == 1, "nothing is ever stuck"
            assert not (job.status.is_terminal and (ready or followed))

    @invariant()
    def a_job_begins_after_its_inputs_and_fails_with_them(self) -> None:
        if not hasattr(self, "conn"):
            return
        for job_id, inputs in self.inputs.items():
            job, found = queries.job_by_id(self.conn, job_id), {self._status(input_id) for input_id in inputs}
            assert job is not None
            if found != {JobStatus.SUCCEEDED}:
                assert (job.ready_at, job.attempts) == (None, 0)
            assert (job.error_code == "INPUT_FAILED") == (bool(found & LOST) and job.status is JobStatus.FAILED)
            assert not found & LOST or job.status in LOST

    @invariant()
    def the_end_of_a_job_is_told_once(self) -> None:
        if not hasattr(self, "conn"):
            return
        told = [delivery.job_id for delivery in deliveries.newest(self.conn, 500)]
        assert sorted(told) == sorted(job_id for job_id in self.inputs if self._status(job_id).is_terminal)

    @invariant()
    def every_change_has_its_event(self) -> None:
        if not hasattr(self, "conn"):
            return
        for job in queries.list_jobs(self.conn, 200):
            assert len(queries.events_after(self.conn, 0, job.id)) == job.version

    @invariant()
    def ended_attempts_say_how(self) -> None:
        if not hasattr(self, "conn"):
            return
        for job in queries.list_jobs(self.conn, 200):
            for attempt in queries.attempts_of_job(self.conn, job.id):
                assert (attempt.state is AttemptState.ENDED) == (attempt.outcome is not None)


TestJobTable = JobTableModel.TestCase
TestJobTable.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
