"""Sends waiting jobs to their endpoint: claim → POST /run → record, and a follower for each attempt."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from control_plane import logs, telemetry
from control_plane.clock import to_datetime
from control_plane.dispatch.beat import Beat
from control_plane.dispatch.follower import Follower, World, note_progress
from control_plane.dispatch.limits import DEADLINE_SECONDS, policy
from control_plane.dispatch.meters import Meters
from control_plane.dispatch.pace import CALLS_PER_SECOND
from control_plane.dispatch.references import References
from control_plane.endpoints.port import AnswerLost, EndpointBusy, EndpointError, EndpointRefused, EndpointUnreachable
from control_plane.faults import fault
from control_plane.jobs import queries, verbs
from control_plane.jobs.records import AttemptRecord, JobRecord, Ref
from control_plane.ledger.budget import CODE, Held, TooDear, Used
from shared.errors import RushesError
from shared.wire import Progress, WorkerInput, attempt_prefix

log = logging.getLogger(__name__)

PERMANENT = {400, 413, 422}
BATCH = 200
BEAT_SECONDS = 0.05
"""Reports that come within it share a commit: each alone would cost more in `fdatasync` than in anything else."""
IDLE_SECONDS = 5.0
TROUBLE_SECONDS = 1.0
HELD_MS = 60_000
DAY_MS = 86_400_000


@dataclass(frozen=True)
class Sending:
    """How attempts are sent. The two bases are our own addresses as a worker and RunPod reach them, if they can."""

    in_flight: int
    references: References
    store_name: str
    callback_base: str | None = None
    webhook_base: str | None = None


class Dispatcher:
    """Runs until canceled. Knows every living attempt of this process by its job."""

    def __init__(self, world: World, sending: Sending) -> None:
        self._world = world
        self._sending = sending
        self._followers: dict[str, Follower] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._freed = asyncio.Event()
        self._beat = Beat(BEAT_SECONDS)

    async def run(self) -> None:
        """Take over what an earlier life left, then send what waits, for ever. A disk in trouble only delays it."""
        await self._through_trouble(self._take_over)
        await self._world.store_check.answered()
        while True:
            changed = asyncio.ensure_future(self._world.table.changed(None, IDLE_SECONDS))
            freed = asyncio.ensure_future(self._freed.wait())
            try:
                await self._through_trouble(self._send_ready)
                # While every place is taken only the end of an attempt makes a difference.
                awaited = {changed, freed} if self._places() > 0 else {freed}
                await asyncio.wait(awaited, timeout=self._idle_for(), return_when=asyncio.FIRST_COMPLETED)
            finally:
                changed.cancel()
                freed.cancel()
            if self._freed.is_set():
                self._freed.clear()
                await self._through_trouble(self._offer_held)

    async def _through_trouble(self, act: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await act()
            except RushesError as trouble:
                log.warning("dispatcher: %s", trouble.message)
                await asyncio.sleep(TROUBLE_SECONDS)

    async def _take_over(self) -> None:
        await self._world.table.do(verbs.restart)
        fault("restarted")
        taken, after = 0, ""
        while found := self._world.table.ask(queries.alive_attempts, after, BATCH):
            for attempt in found:
                self._start(attempt, look_in=taken / CALLS_PER_SECOND)
                taken += 1
            after = found[-1].job_id
            await asyncio.sleep(0)  # they begin, and let go of their rows

    def _places(self) -> int:
        """How many more attempts may be alive."""
        return self._sending.in_flight - len(self._followers)

    def _idle_for(self) -> float:
        ready_at = self._world.table.ask(queries.next_ready_at) if self._places() > 0 else None
        if ready_at is None:
            return IDLE_SECONDS
        return min(max((ready_at - self._world.clock()) / 1000, 0.05), IDLE_SECONDS)

    async def stop(self) -> None:
        """Let go of every attempt: they live on at their endpoints, and the next life follows them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def meters(self) -> Meters:
        """What was counted."""
        return self._world.meters

    def wake(self, job_id: str, *, result_is_near: bool = False) -> None:
        """Something was heard about a job, or wanted of it: look now."""
        follower = self._followers.get(job_id)
        if follower is not None:
            follower.wake(result_is_near=result_is_near)

    async def heard(self, token: str, progress: Progress | None) -> None:
        """A callback or a webhook came for an attempt. It moves progress and causes a look, no more."""
        ref = self._meant(token, progress)
        if ref is None:
            return
        finished = progress is None or progress.stage == "finished"
        if not finished:
            await self._beat.wait()
        now = self._world.clock()
        noted = progress is not None and await note_progress(self._world, ref, progress, now, now)
        if finished or not noted:
            self.wake(ref.job_id, result_is_near=finished)

    def _meant(self, token: str, progress: Progress | None) -> Ref | None:
        """The attempt that the token belongs to, unless the report is about another one."""
        follower = self._followers.get(progress.job_id) if progress else None
        if follower is not None and follower.ref.token == token:
            ref = follower.ref
        else:
            attempt = self._world.table.ask(queries.attempt_by_token, token)
            if attempt is None:
                return None
            ref = attempt.ref
        return ref if progress is None or (progress.job_id, progress.attempt) == (ref.job_id, ref.number) else None

    async def _send_ready(self) -> None:
        """The most urgent jobs that there are places for, at most a batch: opened in one commit, sent side by side."""
        world, places = self._world, self._places()
        if places <= 0:
            return
        held: list[tuple[str, str]] = []
        offers: list[tuple[JobRecord, verbs.Opening]] = []
        reserved = 0
        for job in world.table.ask(queries.ready_jobs, world.clock(), min(places, BATCH)):
            match self._offer(job, reserved):
                case Held(message):
                    held.append((job.id, message))
                case TooDear(message):
                    await world.table.do(verbs.give_up, job.id, CODE, message, world.clock())
                case offered:
                    reserved += offered.reserve
                    offers.append((job, offered))
        all_opened = all(await asyncio.gather(*(self._open(job, offered) for job, offered in offers)))
        if held and all_opened:  # else some of the money is still there, and the next pass offers it again
            now = world.clock()
            await world.table.do(verbs.hold, held, min(now + HELD_MS, (now // DAY_MS + 1) * DAY_MS), now)

    async def _open(self, job: JobRecord, opening: verbs.Opening) -> bool:
        """False when the job is not waiting any more, or when its money is gone: then the next pass holds it."""
        attempt = await self._world.table.do(verbs.open_attempt, job.id, opening, self._world.clock())
        if attempt is None:
            return False
        fault("attempt_opened")
        self._start(attempt, job)
        return True

    def _offer(self, job: JobRecord, reserved: int) -> verbs.Opening | Held | TooDear:
        """`reserved` is what the same pass has put aside for others, which the table does not know of yet."""
        world, url = self._world, self._world.endpoints.for_type(job.type).url
        spent, day, month = world.table.ask(queries.budget_used, job.id, world.clock())
        used = Used(spent, day + reserved, month + reserved)
        offer = world.budget.offer(url, DEADLINE_SECONDS[job.type], job.max_cost, used)
        if isinstance(offer, Held | TooDear):
            return offer
        return verbs.Opening(
            url,
            self._sending.store_name,
            offer.deadline_seconds,
            start_before=world.clock() + round(world.limits.start_within * 1000),
            price=offer.price.nanos,
            reserve=offer.reserve,
            job_cap=offer.job_cap,
            day_cap=world.budget.caps.day,
            month_cap=world.budget.caps.month,
        )

    async def _offer_held(self) -> None:
        """An attempt has ended, so money may be free: jobs held by the budget are looked at again."""
        if self._world.table.ask(queries.any_held):
            await self._world.table.do(verbs.offer_held, self._world.clock(), self._sending.in_flight)

    def _start(self, attempt: AttemptRecord, to_send: JobRecord | None = None, look_in: float = 0.0) -> None:
        follower = Follower(self._world, attempt, self._send_once_more, look_in)
        self._followers[attempt.job_id] = follower
        task = asyncio.create_task(self._live(attempt, follower, to_send), name=f"attempt-{attempt.job_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _live(self, attempt: AttemptRecord, follower: Follower, to_send: JobRecord | None) -> None:
        job_id = attempt.job_id
        logs.attempt.set((job_id, attempt.number))
        with telemetry.span("attempt"):
            try:
                if to_send is not None:
                    await self._send(attempt, to_send)
            except RushesError as trouble:
                log.warning("job %s: %s", job_id, trouble.message)
            except Exception:  # a mistake of ours must not leave an attempt that costs money unwatched
                log.exception("job %s", job_id)
            del attempt, to_send  # thousands may be followed for hours: none keeps what it was sent with
            try:
                await follower.run()
            finally:
                if self._followers.get(job_id) is follower:
                    del self._followers[job_id]
                self._freed.set()

    async def _send_once_more(self, attempt: AttemptRecord) -> None:
        await self._world.table.do(verbs.unanswered, attempt.ref, self._world.clock())
        job = self._world.table.ask(queries.job_by_id, attempt.job_id)
        if job is not None and await self._world.table.do(verbs.sending_again, attempt.ref, self._world.clock()):
            fault("before_sending_again")
            await self._send(attempt, job)

    async def _send(self, attempt: AttemptRecord, job: JobRecord) -> None:
        """One POST /run, and what its answer means. A lost answer leaves the attempt UNKNOWN."""
        table, endpoint = self._world.table, self._world.endpoints.at(attempt.endpoint)
        try:
            payload = self._payload(job, attempt)
            fault("before_submit")
            with telemetry.span("POST /run", calls=True):
                runpod_id = await endpoint.run(
                    payload, policy(attempt.deadline_seconds, self._world.limits), self._webhook(attempt)
                )
        except AnswerLost as lost:
            fault("answer_lost")
            self.meters.refusals[lost.code_now] += 1
            log.warning("job %s: %s", job.id, lost.message)
            await table.do(verbs.unanswered, attempt.ref, self._world.clock())
        except RushesError as refused:
            await self._refused(attempt, refused)
        else:
            fault("after_submit")
            if not await table.do(verbs.submitted, attempt.ref, runpod_id, self._world.clock()):
                await endpoint.cancel(runpod_id)
            fault("submit_recorded")

    async def _refused(self, attempt: AttemptRecord, refused: RushesError) -> None:
        """Nothing was accepted: wait and try again, or fail where trying again cannot help."""
        fault("submit_refused")
        self.meters.refusals[refused.code_now] += 1
        table, now = self._world.table, self._world.clock()
        permanent = not isinstance(refused, EndpointError) or (
            isinstance(refused, EndpointRefused) and refused.status in PERMANENT
        )
        if permanent:
            await table.do(verbs.refuse, attempt.ref, refused.code_now, refused.message, now)
        else:
            ready_at = now + round(_refusal_pause(refused) * 1000)
            await table.do(verbs.withdraw, attempt.ref, ready_at, refused.message, now)

    def _payload(self, job: JobRecord, attempt: AttemptRecord) -> dict[str, object]:
        base = self._sending.callback_base
        message = WorkerInput(
            job_id=job.id,
            attempt=attempt.number,
            token=attempt.token,
            job_type=job.type,
            params=self._sending.references.resolve(job.params),
            output_prefix=attempt_prefix(job.id, attempt.number),
            start_before=to_datetime(attempt.start_before),
            deadline_seconds=attempt.deadline_seconds,
            callback_url=base and f"{base}/callbacks/{attempt.token}",
            settle_seconds=self._world.store_check.settle_seconds(attempt.store),
        )
        return message.model_dump(mode="json")

    def _webhook(self, attempt: AttemptRecord) -> str | None:
        base = self._sending.webhook_base
        return base and f"{base}/webhooks/runpod/{attempt.token}"


def _refusal_pause(refused: RushesError) -> float:
    """Seconds until the same job is offered again."""
    if isinstance(refused, EndpointBusy):
        return refused.retry_after or 5.0
    return 2.0 if isinstance(refused, EndpointUnreachable) else 30.0
