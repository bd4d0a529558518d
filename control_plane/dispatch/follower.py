"""Follows one attempt from its sending to its end: look, decide, act, wait.

Everything that is heard of an attempt enters by `Follower.look` (statuses, claim, result) or `heard` (progress).
Callbacks and webhooks only wake it: they never end, settle or confirm anything by themselves.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cached_property

from pydantic import ValidationError

from control_plane.clock import Clock, from_datetime, to_datetime
from control_plane.dispatch import bucket
from control_plane.dispatch.decide import (
    NO_RESULT,
    Abandon,
    AwaitStart,
    Close,
    Closed,
    Decision,
    Facts,
    Obey,
    SendAgain,
    Watch,
    decide,
)
from control_plane.dispatch.limits import Limits
from control_plane.dispatch.meters import Meters
from control_plane.dispatch.pace import Pace
from control_plane.dispatch.previews import Previews
from control_plane.dispatch.retries import next_try
from control_plane.dispatch.store_check import StoreCheck
from control_plane.endpoints.directory import EndpointDirectory
from control_plane.endpoints.port import Endpoint, EndpointError, RemoteJob, RemoteStatus
from control_plane.faults import fault
from control_plane.jobs import queries, verbs
from control_plane.jobs.records import AttemptRecord, JobRecord, Ref
from control_plane.jobs.table import JobTable
from control_plane.ledger.budget import CODE, Budget
from shared.errors import RushesError
from shared.states import AttemptState
from shared.storage.directory import StoreDirectory
from shared.storage.registers import Registers
from shared.wire import Claim, Failure, Progress, Result, attempt_prefix

log = logging.getLogger(__name__)

CANCELED_REMOTELY = Failure(code="CANCELED_REMOTELY", message="The job was stopped at the endpoint, not by you")
TROUBLE_PAUSE = 5.0
SILENCE = 2
"""After so many times `look_every_with_callbacks` without one, callbacks do not come any more."""
LEFT_OUT = 30
"""For so many times that, looks are left out while they come."""
NAMELESS_DEVICES = ("cpu", "cuda")


@dataclass(frozen=True)
class World:
    """What following an attempt leans on."""

    table: JobTable
    endpoints: EndpointDirectory
    stores: StoreDirectory
    clock: Clock
    limits: Limits
    store_check: StoreCheck
    budget: Budget = field(default_factory=Budget)
    pace: Pace = field(default_factory=Pace)
    meters: Meters = field(default_factory=Meters)
    previews: Previews = field(default_factory=Previews)


class Follower:
    """One living attempt, `ref`. `run` returns when it has ended; `wake` makes it look at once.

    Its first look is `look_in` seconds after it begins to run, so that thousands do not all ask at start-up.
    """

    def __init__(
        self,
        world: World,
        attempt: AttemptRecord,
        send_again: Callable[[AttemptRecord], Awaitable[None]],
        look_in: float = 0.0,
    ) -> None:
        self._world = world
        self.ref: Ref = attempt.ref
        self._endpoint: Endpoint = world.endpoints.at(attempt.endpoint)
        self._store_name = attempt.store
        self._send_again = send_again
        self._look_in = look_in
        # What was told to an earlier life of this process may have been told to nobody.
        self._looked_at = 0 if attempt.state is AttemptState.STARTED else world.clock()
        self._has_left = False
        self._is_told = False
        self._woken = False
        self._waiter: asyncio.Future[None] | None = None
        self._result_is_near = False

    @cached_property
    def _registers(self) -> Registers:
        return self._world.store_check.registers(self._world.stores.at(self._store_name))

    def wake(self, *, result_is_near: bool = False) -> None:
        """Look now. `result_is_near`: the worker said it has finished, so the bucket comes first."""
        self._result_is_near |= result_is_near
        self._woken = True
        _release(self._waiter)

    async def run(self) -> None:
        """Until the attempt has ended. Trouble with the endpoint, the store or the disk only delays it."""
        await self._world.store_check.answered()
        pause: float | None = self._look_in
        self._world.pace.asked += 1
        try:
            while pause is not None:
                if not self._woken and pause > 0:
                    await self._wait(pause)
                pause = await self._turn()
        finally:
            self._count_as_told(False)
            self._world.pace.asked -= 1
            self._world.previews.forget(self.ref.job_id)

    async def _turn(self) -> float | None:
        """A look, if one is due. How long to wait for the next, in seconds; None when the attempt has ended."""
        found = self._find()
        if found is None:
            return None
        pause, woken, self._woken = TROUBLE_PAUSE, self._woken, False
        try:
            self._count_as_told(not woken and self._hears_enough(*found))
            if self._is_told:
                return self._world.pace.rest(self._world.limits.look_every_with_callbacks)
            pause = await self._step(*found)
            self._looked_at = self._world.clock()
        except RushesError as trouble:
            log.warning("job %s attempt %s: %s", self.ref.job_id, self.ref.number, trouble.message)
        except Exception:  # a mistake of ours must not leave an attempt that costs money unwatched
            log.exception("job %s attempt %s", self.ref.job_id, self.ref.number)
        return None if self._find() is None else pause

    def _hears_enough(self, attempt: AttemptRecord, job: JobRecord) -> bool:
        """Callbacks come, so the endpoint need not be asked, but for now and then: a callback proves nothing."""
        now, every = self._world.clock(), self._world.limits.look_every_with_callbacks * 1000
        return (
            attempt.state is AttemptState.STARTED
            and job.cancel_requested_at is None
            and attempt.heard_at is not None
            and not self._has_left
            and now - attempt.heard_at < SILENCE * every
            and now - self._looked_at < LEFT_OUT * every
            and self._past_cap(attempt, job) is None
        )

    def _count_as_told(self, is_told: bool) -> None:
        pace, change = self._world.pace, is_told - self._is_told
        self._is_told, pace.told, pace.asked = is_told, pace.told + change, pace.asked - change

    async def _wait(self, seconds: float) -> None:
        # A future and a timer: `wait_for` and an Event would be three times the memory, for each of thousands.
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(seconds, _release, self._waiter)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _find(self) -> tuple[AttemptRecord, JobRecord] | None:
        attempt = self._world.table.ask(queries.attempt_by_token, self.ref.token)
        if attempt is None or attempt.state is AttemptState.ENDED:
            return None
        job = self._world.table.ask(queries.job_by_id, self.ref.job_id)
        return None if job is None else (attempt, job)

    async def _step(self, attempt: AttemptRecord, job: JobRecord) -> float:
        """One look and what follows from it; how long to wait for the next, in seconds."""
        wanted = job.cancel_requested_at is not None
        facts = await self._look(attempt, cancel_wanted=wanted)
        decision = decide(attempt, wanted, facts, self._world.limits)
        if isinstance(decision, Watch) and not wanted and (too_dear := self._past_cap(attempt, job)):
            # Decided before it is stopped, or the worker would say that it was canceled.
            await bucket.put_ending(self._registers, attempt, too_dear)
            decision = Abandon(too_dear)
        return await self._act(decision, attempt, job, facts)

    def _past_cap(self, attempt: AttemptRecord, job: JobRecord) -> Failure | None:
        """The job has cost more than it may: its worker did not stop by itself, or the platform ran it again."""
        budget, table = self._world.budget, self._world.table
        if attempt.state is not AttemptState.STARTED or budget.job_cap(job.max_cost) is None:
            return None
        spent = table.ask(queries.costs_of_jobs, [job.id], self._world.clock()).get(job.id, 0)
        message = budget.past_cap(job.max_cost, spent)
        return None if message is None else Failure(code=CODE, message=message)

    # What is known

    async def _look(self, attempt: AttemptRecord, *, cancel_wanted: bool) -> Facts:
        if self._result_is_near:
            self._result_is_near = False
            result = await bucket.read_result(self._registers, self.ref)
            if result is not None:
                return Facts(self._world.clock(), {}, result=result)
        answers, unread = await self._read_statuses()
        now = self._world.clock()
        if not self._bucket_may_tell(attempt, answers, unread, cancel_wanted, now):
            return Facts(now, answers, unread)
        result = await bucket.read_result(self._registers, self.ref)
        claim = None if result else await bucket.read_claim(self._registers, self.ref)
        may_send_again = self._world.store_check.settle_seconds(self._store_name) is None
        return Facts(now, answers, unread, claim, result, may_send_again)

    async def _read_statuses(self) -> tuple[dict[str, RemoteJob], frozenset[str]]:
        submissions = self._world.table.ask(queries.submissions_of_attempt, self.ref.job_id, self.ref.number)
        asked = [self._read_status(submission.runpod_id) for submission in submissions]
        found = dict(zip((s.runpod_id for s in submissions), await asyncio.gather(*asked), strict=True))
        answers = {runpod_id: answer for runpod_id, answer in found.items() if answer is not None}
        for submission in submissions:
            answer = answers.get(submission.runpod_id)
            if answer is not None and answer.status != submission.status:
                times = (answer.delay_ms, answer.execution_ms if answer.status.is_over else None)
                await self._world.table.do(
                    verbs.submission_seen, self.ref, answer.id, answer.status, answer.worker_id, times
                )
        return answers, frozenset(found.keys() - answers.keys())

    async def _read_status(self, runpod_id: str) -> RemoteJob | None:
        try:
            return await self._endpoint.status(runpod_id)
        except EndpointError as error:
            log.info("status of %s: %s", runpod_id, error.message)
            return None

    def _bucket_may_tell(
        self,
        attempt: AttemptRecord,
        answers: dict[str, RemoteJob],
        unread: frozenset[str],
        cancel_wanted: bool,
        now: int,
    ) -> bool:
        """Reading the bucket costs money: it is left alone while a queue or a known holder goes its way."""
        if cancel_wanted or unread or not answers or now > attempt.start_before:
            return True
        if attempt.state is AttemptState.STARTED:
            renewed_by_now = now > (attempt.lease_expires_at or 0)
            return renewed_by_now or any(answer.status.is_over for answer in answers.values())
        return any(answer.status is not RemoteStatus.IN_QUEUE for answer in answers.values())

    # What follows

    async def _act(self, decision: Decision, attempt: AttemptRecord, job: JobRecord, facts: Facts) -> float:
        match decision:
            case Obey(result):
                fault("result_seen")
                await self._cancel_duplicates()
                await self._note_usage(result, attempt, facts)
                await self._obey(result, attempt, job)
            case Closed(failure):
                await self._cancel_remotely(facts)
                await self._end(failure, attempt, job)
            case Close(failure):
                # Closed before it is canceled: a worker that claims at this moment keeps its job.
                if not await bucket.put_tombstone(self._registers, self.ref, to_datetime(facts.now)):
                    return 0.0
                await self._cancel_remotely(facts)
                await self._end(failure, attempt, job)
            case Abandon(failure):
                await self._cancel_remotely(facts)
                stands = await bucket.put_ending(self._registers, attempt, None if job.cancel_requested_at else failure)
                await self._note_usage(stands, attempt, facts)
                await self._obey(stands, attempt, job)
            case SendAgain():
                await self._send_again(attempt)
            case AwaitStart():
                await self._world.table.do(verbs.not_sent_again, self.ref, facts.now)
            case Watch(claim):
                await self._watch(claim, attempt, facts)
                if job.cancel_requested_at is not None:
                    await self._cancel_remotely(facts)
        return self._pause(attempt, job)

    async def _obey(self, result: Result, attempt: AttemptRecord, job: JobRecord) -> None:
        """Do what `result.json` says. A result without a file of this attempt is no success."""
        if result.error is not None:
            await self._end(result.error, attempt, job, result.engine)
        elif result.canceled:
            await self._end(CANCELED_REMOTELY, attempt, job)
        elif not result.outputs or not all(self._is_ours(output.key) for output in result.outputs):
            await self._end(NO_RESULT, attempt, job)
        else:
            outputs = [output.model_dump(mode="json", exclude_none=True) for output in result.outputs]
            now = self._world.clock()
            fault("before_success")
            await self._world.table.do(verbs.succeed, self.ref, outputs, result.engine, self._store_name, now)

    async def _note_usage(self, result: Result, attempt: AttemptRecord, facts: Facts) -> None:
        """For the ledger, before the attempt is settled: the worker's GPU and how long it ran by its own account."""
        prices = self._world.budget.prices
        told = (result.engine.get("gpu"), result.engine.get("device"))
        name = next((word[:100] for word in told if isinstance(word, str) and word not in NAMELESS_DEVICES), None)
        worker_ms = _worker_ms(result, facts)
        if prices.at(attempt.endpoint).nanos and (name or worker_ms):
            price = prices.of_gpu(attempt.endpoint, name or "")
            await self._world.table.do(verbs.note_usage, self.ref, name, price, worker_ms)

    def _is_ours(self, key: str) -> bool:
        return key.startswith(attempt_prefix(self.ref.job_id, self.ref.number))

    async def _end(
        self, failure: Failure, attempt: AttemptRecord, job: JobRecord, engine: dict[str, object] | None = None
    ) -> None:
        """The attempt is over without success: the job is CANCELED, tried again, or FAILED."""
        fault("before_attempt_ends")
        table, limits, now = self._world.table, self._world.limits, self._world.clock()
        earlier = [one.outcome for one in table.ask(queries.attempts_of_job, job.id) if one.number < attempt.number]
        again = next_try(job.id, job.type, failure, earlier, limits.max_attempts)
        if job.cancel_requested_at is not None:
            await table.do(verbs.canceled, self.ref, now)
        elif again is not None:
            ready_at = now + round(again.seconds * limits.rest * 1000)
            await table.do(verbs.requeue, self.ref, failure.code, again.message, ready_at, now)
        else:
            await table.do(verbs.fail, self.ref, failure.code, failure.message, engine, now)

    async def _cancel_remotely(self, facts: Facts) -> None:
        """`/cancel` to every id that may still run or start. What cannot be reached is closed in the bucket."""
        alive = [job.id for job in facts.submissions.values() if not job.status.is_over]
        await self._cancel([*alive, *facts.unread])
        fault("canceled_remotely")

    async def _cancel_duplicates(self) -> None:
        """An attempt sent twice has a second id that may still wait: it would only start a worker for nothing."""
        submissions = self._world.table.ask(queries.submissions_of_attempt, self.ref.job_id, self.ref.number)
        if len(submissions) > 1:
            claim = await bucket.read_claim(self._registers, self.ref)
            holder = claim.runpod_job_id if isinstance(claim, Claim) else None
            await self._cancel([s.runpod_id for s in submissions if s.runpod_id != holder])

    async def _cancel(self, runpod_ids: list[str]) -> None:
        for runpod_id in runpod_ids:
            try:
                await self._endpoint.cancel(runpod_id)
            except EndpointError as error:
                log.warning("cancel of %s: %s", runpod_id, error.message)

    async def _watch(self, claim: Claim | None, attempt: AttemptRecord, facts: Facts) -> None:
        table, now = self._world.table, facts.now
        if claim is not None:
            fault("claim_seen")
            lease = from_datetime(claim.expires_at)
            await table.do(verbs.started, self.ref, claim.runpod_job_id, claim.run, lease, now)
        holder = facts.submissions.get(claim.runpod_job_id if claim else attempt.holder or "")
        # The platform says that the holder ended and it left no result: no callback will tell the rest.
        self._has_left = holder is not None and holder.status.is_over
        if holder is not None and holder.status is RemoteStatus.IN_PROGRESS:
            progress = _read_progress(holder)
            if progress is not None and _speaks_of(progress, self.ref):
                await note_progress(self._world, self.ref, progress, None, now)

    def _pause(self, attempt: AttemptRecord, job: JobRecord) -> float:
        limits = self._world.limits
        heard_lately = (
            attempt.heard_at is not None
            and self._world.clock() - attempt.heard_at < limits.look_every_with_callbacks * 1000
        )
        # Where others tell of themselves, this one will tell of its start.
        will_tell = attempt.state is AttemptState.SUBMITTED and self._world.pace.told > 0
        heard = (heard_lately or will_tell) and job.cancel_requested_at is None and not self._has_left
        least = limits.look_every_with_callbacks if heard else limits.look_every
        running = None if attempt.started_at is None else (self._world.clock() - attempt.started_at) / 1000
        return self._world.pace.pause(least, running, job.progress)


def _release(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


def _worker_ms(result: Result, facts: Facts) -> int | None:
    """Milliseconds by the worker's own clock, or, for one that died, until its lease ran out."""
    if result.timings:
        return round(sum(result.timings.values()) * 1000)
    claim = facts.claim
    if isinstance(claim, Claim) and from_datetime(claim.expires_at) <= facts.now:
        return from_datetime(claim.expires_at) - from_datetime(claim.claimed_at)
    return None


def _speaks_of(progress: Progress, ref: Ref) -> bool:
    return (progress.job_id, progress.attempt) == (ref.job_id, ref.number)


def _read_progress(holder: RemoteJob) -> Progress | None:
    try:
        return Progress.model_validate(holder.output)
    except ValidationError:
        return None


async def note_progress(world: World, ref: Ref, progress: Progress, heard_at: int | None, now: int) -> bool:
    """Take a report into the table, if it is newer than what is there."""
    world.previews.keep(progress)  # first: the table's news make clients look
    order = (progress.run, progress.seq)
    stage = (progress.stage[:100], progress.progress, progress.message[:500])
    return await world.table.do(verbs.progressed, ref, order, stage, heard_at, now)
