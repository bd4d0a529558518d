"""The two keys that decide an attempt, read and put. Only what has settled is read: the plane acts on it for good."""

from __future__ import annotations

from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from control_plane.faults import fault
from control_plane.jobs.records import AttemptRecord, Ref
from shared.errors import StorageFailed
from shared.storage.registers import Registers
from shared.wire import Claim, Failure, Result, Tombstone, claim_key, result_key

_CLAIM: TypeAdapter[Claim | Tombstone] = TypeAdapter(Claim | Tombstone)


async def read_result(registers: Registers, ref: Ref) -> Result | None:
    """How the attempt ended, if anybody has decided. StorageFailed when what is there cannot be understood."""
    found = await registers.settled(result_key(ref.job_id, ref.number))
    return _parse_result(found.body) if found else None


def _parse_result(body: bytes) -> Result:
    try:
        return Result.model_validate_json(body)
    except ValidationError as wrong:
        raise StorageFailed("The result of the job in the store cannot be read") from wrong


async def read_claim(registers: Registers, ref: Ref) -> Claim | Tombstone | None:
    """Who runs the attempt, or that nobody may.

    A claim under another token (an older life of a restored database) bars ours from ever starting: a tombstone.
    """
    found = await registers.settled(claim_key(ref.job_id, ref.number))
    if found is None:
        return None
    try:
        claim = _CLAIM.validate_json(found.body)
    except ValidationError as wrong:
        raise StorageFailed("The claim of the job in the store cannot be read") from wrong
    if isinstance(claim, Claim) and claim.token != ref.token:
        return Tombstone(token=claim.token, at=claim.claimed_at)
    return claim


async def put_tombstone(registers: Registers, ref: Ref, at: datetime) -> bool:
    """Close the attempt; False when a worker claimed it first (or the tombstone is there already)."""
    body = Tombstone(token=ref.token, at=at).model_dump_json().encode()
    fault("before_tombstone")
    won = await registers.put_if_absent(claim_key(ref.job_id, ref.number), body) is not None
    fault("after_tombstone")
    return won


async def put_ending(registers: Registers, attempt: AttemptRecord, failure: Failure | None) -> Result:
    """Decide how the attempt ended (canceled when `failure` is None), unless somebody has; the decision that stands."""
    mine = Result(
        job_id=attempt.job_id, attempt=attempt.number, run=attempt.run, error=failure, canceled=failure is None
    )
    key = result_key(attempt.job_id, attempt.number)
    body = mine.model_dump_json(exclude_none=True).encode()
    fault("before_ending")
    won = await registers.put_if_absent(key, body) is not None
    fault("after_ending")
    if won:
        return mine
    return await read_result(registers, attempt.ref) or mine
