"""Who may run an attempt and how it ended: the worker's side of the five bucket rules (DESIGN: the job).

A claim is a lease on the attempt. Whoever loses it stops, and writes nothing that could decide the attempt.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NoReturn, ParamSpec, Protocol, TypeVar

from shared.errors import RushesError, StorageFailed
from shared.storage.base import ObjectStore, StoredObject
from shared.storage.registers import open_registers
from shared.wire import Claim, Result, WorkerInput, claim_key, result_key

Clock = Callable[[], datetime]
P = ParamSpec("P")
T = TypeVar("T")

# Of the lease: renewed after a third of it, and given up a tenth before its end, so that the job is dead by then.
_RENEW_AFTER = 1 / 3
_STOP_EARLY = 1 / 10


class ClaimLost(Exception):
    """Somebody else owns the attempt: `holder` is its RunPod id, None when the plane closed the attempt."""

    def __init__(self, holder: str | None) -> None:
        super().__init__(holder)
        self.holder = holder


class AlreadyDecided(Exception):
    """`result.json` is there: the attempt has ended."""

    def __init__(self, result: Result) -> None:
        super().__init__(result)
        self.result = result


class LeaseLost(RushesError):
    """This worker no longer holds the job and has stopped it."""

    code = "LEASE_LOST"
    retryable = True


@dataclass(frozen=True)
class Terms:
    """In whose name a claim is made, for how many `seconds`, and the `patience` in seconds with a silent store."""

    runpod_job_id: str
    worker_id: str
    seconds: float
    patience: float
    clock: Clock

    def claim(self, token: str, run: int) -> Claim:
        """A claim that starts now."""
        now = self.clock()
        expires_at = now + timedelta(seconds=self.seconds)
        return Claim(
            token=token,
            runpod_job_id=self.runpod_job_id,
            worker_id=self.worker_id,
            run=run,
            claimed_at=now,
            expires_at=expires_at,
        )


class Hold(Protocol):
    """The right to run: a Lease, or Unclaimed for a job that nobody else can have. `run` counts from 1."""

    run: int

    async def keep(self) -> NoReturn:
        """Renew until that is impossible. Raises LeaseLost or AlreadyDecided in time to stop the job."""
        ...

    async def check(self) -> None:
        """Raise LeaseLost unless the attempt is ours at this moment."""
        ...

    async def decide(self, result: Result) -> Result:
        """Write how the attempt ended and return it, or what another wrote before us. Raises as `check` does."""
        ...


async def hold(held: Hold, work: Coroutine[Any, Any, T]) -> T:
    """Run `work` while the lease is kept; whichever way this returns or raises, `work` has ended."""
    working, keeping = tasks = asyncio.create_task(work), asyncio.create_task(held.keep())
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return keeping.result() if working.cancelled() else working.result()


async def persistently(seconds: float, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Make a blocking call to the store from a thread, again and again until `seconds` after its first failure."""
    return await _until_answered(seconds, partial(asyncio.to_thread, call, *args, **kwargs))


async def _until_answered(seconds: float, ask: Callable[[], Awaitable[T]]) -> T:
    loop = asyncio.get_running_loop()
    until, pause = math.inf, 0.25
    while True:
        try:
            return await ask()
        except StorageFailed as failed:
            until = min(until, loop.time() + seconds)
            if not failed.retryable_now or loop.time() + pause > until:
                raise
        await asyncio.sleep(pause)
        pause = min(2 * pause, 8)


class Unclaimed:
    """A job sent by hand, without a token: no claim, no `result.json`."""

    run = 1

    async def keep(self) -> NoReturn:
        """Nobody can take it away."""
        while True:
            await asyncio.sleep(3600)

    async def check(self) -> None:
        """It is always ours."""

    async def decide(self, result: Result) -> Result:
        """Nobody else has a say."""
        return result


class Lease:
    """A claim that is ours until `expires_at`, and the writes it allows."""

    def __init__(self, files: AttemptFiles, claim: Claim, etag: str, terms: Terms) -> None:
        self.run = claim.run
        self._files = files
        self._claim = claim
        self._etag = etag
        self._terms = terms

    async def keep(self) -> NoReturn:
        """Renew until that is impossible. Raises LeaseLost or AlreadyDecided in time to stop the job."""
        while True:
            await asyncio.sleep(self._left() - self._terms.seconds * (1 - _RENEW_AFTER - _STOP_EARLY))
            try:
                async with asyncio.timeout(self._left()):
                    await self._renew()
                    await self._look()
            except TimeoutError:
                raise LeaseLost from None

    async def check(self) -> None:
        """Raise LeaseLost unless the attempt is ours at this moment."""
        now, _ = await self._files.read_claim(self._terms.patience)
        if now is None or _holder(now) != _holder(self._claim):
            raise LeaseLost
        self.require_time()

    def require_time(self) -> None:
        """Raise LeaseLost when the claim has run out, or is about to."""
        if self._left() <= 0:
            raise LeaseLost

    async def decide(self, result: Result) -> Result:
        """Write how the attempt ended and return it, or what another wrote before us. Raises as `check` does."""
        await self.check()
        return await self._files.write_result(result, self._terms.patience)

    def _left(self) -> float:
        left = (self._claim.expires_at - self._terms.clock()).total_seconds()
        return left - self._terms.seconds * _STOP_EARLY

    async def _renew(self) -> None:
        renewed = self._terms.claim(self._claim.token, self.run).model_copy(
            update={"claimed_at": self._claim.claimed_at}
        )
        etag = await self._files.write_claim(renewed, self._etag, math.inf)
        if etag is None:
            raise LeaseLost
        self._claim, self._etag = renewed, etag

    async def _look(self) -> None:
        result = await self._files.read_result(math.inf)
        if result is not None:
            raise AlreadyDecided(result)


async def take(store: ObjectStore, job: WorkerInput, terms: Terms) -> Lease:
    """Claim the attempt, or take our own submission's claim over when the platform runs it again.

    Raises ClaimLost, AlreadyDecided, StorageFailed, or LeaseLost when our own claim has run out: the plane may have
    given the attempt up by now.
    """
    files, claim = AttemptFiles(store, job), terms.claim(job.token, run=1)
    etag = await files.write_claim(claim, None, terms.patience)
    if etag is None:
        claim, taken = await _succeed(files, terms, job.token)
        etag = await files.write_claim(claim, taken, terms.patience)
    if etag is None:
        raise ClaimLost(terms.runpod_job_id)
    # Looked at again now that the claim is ours: the earlier worker may have ended it until then.
    if claim.run > 1 and (result := await files.read_result(terms.patience)):
        raise AlreadyDecided(result)
    lease = Lease(files, claim, etag, terms)
    # A store in trouble can hold the answer back until the claim is worth nothing: the plane counts from its writing.
    lease.require_time()
    return lease


async def _succeed(files: AttemptFiles, terms: Terms, token: str) -> tuple[Claim, str]:
    """The claim that follows our own earlier one, and the ETag it must replace."""
    earlier, etag = await files.read_claim(terms.patience)
    if earlier is None or earlier.runpod_job_id != terms.runpod_job_id:
        raise ClaimLost(earlier.runpod_job_id if earlier else None)
    if result := await files.read_result(terms.patience):
        raise AlreadyDecided(result)
    if earlier.expires_at <= terms.clock():
        raise LeaseLost
    return terms.claim(token, earlier.run + 1), etag


class AttemptFiles:
    """The two files that decide about one attempt. Times are seconds of patience with a failing store."""

    def __init__(self, store: ObjectStore, job: WorkerInput) -> None:
        self._registers = open_registers(store, job.settle_seconds)
        self._claim_key = claim_key(job.job_id, job.attempt)
        self._result_key = result_key(job.job_id, job.attempt)

    async def read_claim(self, patience: float) -> tuple[Claim | None, str]:
        """The claim and its ETag; no claim where there is a tombstone or nothing."""
        stored = await self._get(self._claim_key, patience)
        if stored is None:
            return None, ""
        message = json.loads(stored.body)
        return (None if message.get("canceled") else Claim.model_validate(message)), stored.etag

    async def write_claim(self, claim: Claim, etag: str | None, patience: float) -> str | None:
        """Create the claim, or replace the one with `etag`. The new ETag, or None when another was there first."""
        key, body = self._claim_key, claim.model_dump_json().encode()
        if etag is None:
            written = await self._create(key, body, patience)
        else:
            written = await _until_answered(patience, lambda: self._registers.put_if_match(key, body, etag))
        if written is not None:
            return written
        # Taken, or an earlier try of this very write got through and only its answer was lost.
        stored = await self._get(key, patience)
        return stored.etag if stored and stored.body == body else None

    async def read_result(self, patience: float) -> Result | None:
        """How the attempt ended; None while it is undecided."""
        stored = await self._get(self._result_key, patience)
        return Result.model_validate_json(stored.body) if stored else None

    async def write_result(self, result: Result, patience: float) -> Result:
        """Decide how the attempt ended and return that; what another wrote when we come second."""
        body = json.dumps(result.dump()).encode()
        if await self._create(self._result_key, body, patience):
            return result
        return await self.read_result(patience) or result

    async def _get(self, key: str, patience: float) -> StoredObject | None:
        return await _until_answered(patience, lambda: self._registers.get(key))

    async def _create(self, key: str, body: bytes, patience: float) -> str | None:
        return await _until_answered(patience, lambda: self._registers.put_if_absent(key, body))


def _holder(claim: Claim) -> tuple[str, str, int]:
    return claim.runpod_job_id, claim.worker_id, claim.run
