"""What to do about an attempt, from what is known of it. Pure: facts in, one decision out.

The rules are those of DESIGN.md, "The job": the claim decides who may run, `result.json` decides what happened,
and a claimed attempt is dead only when its lease has run out.
"""

from __future__ import annotations

from dataclasses import dataclass

from control_plane.clock import from_datetime
from control_plane.dispatch.limits import Limits
from control_plane.endpoints.port import RemoteJob, RemoteStatus
from control_plane.jobs.records import AttemptRecord
from shared.wire import Claim, Failure, Result, Tombstone


@dataclass(frozen=True)
class Facts:
    """What one look found. `submissions` has those whose status could be read, `unread` those whose could not.

    The statuses are read before the bucket: a submission that is over has written all it ever will. `may_send_again`
    is False where the store does not enforce the conditions that keep two submissions of an attempt apart.
    """

    now: int
    submissions: dict[str, RemoteJob]
    unread: frozenset[str] = frozenset()
    claim: Claim | Tombstone | None = None
    result: Result | None = None
    may_send_again: bool = True


@dataclass(frozen=True)
class Obey:
    """`result.json` has decided."""

    result: Result


@dataclass(frozen=True)
class Closed:
    """The tombstone is there: nothing runs and nothing can start."""

    failure: Failure


@dataclass(frozen=True)
class Close:
    """Nobody has claimed it and nobody shall: put the tombstone."""

    failure: Failure


@dataclass(frozen=True)
class Abandon:
    """The holder is dead or has left: put a `result.json` in its place, unless it did."""

    failure: Failure


@dataclass(frozen=True)
class SendAgain:
    """Nobody knows whether it was accepted, and nobody claimed it: submit the same attempt once more."""


@dataclass(frozen=True)
class AwaitStart:
    """The same, but it may not be submitted twice: it shows itself, or it is closed once it cannot start any more."""


@dataclass(frozen=True)
class Watch:
    """All is in order: note what was seen and look again later."""

    claim: Claim | None = None


Decision = Obey | Closed | Close | Abandon | SendAgain | AwaitStart | Watch

LOST = Failure(code="WORKER_LOST", message="The worker vanished before the job was finished", retryable=True)
NO_RESULT = Failure(
    code="OUTPUT_MISSING", message="The worker said it was done but left no result in the store", retryable=True
)
NOT_STARTED = Failure(code="NOT_STARTED", message="No worker started the job in time", retryable=True)
NOT_ACCEPTED = Failure(code="SUBMIT_LOST", message="The endpoint never took the job", retryable=True)
PASSING = {"START_TOO_LATE", "STORAGE_FAILED"}
"""Why a worker may leave before its claim, and another attempt can still go well."""


def decide(attempt: AttemptRecord, cancel_wanted: bool, facts: Facts, limits: Limits) -> Decision:
    """The one next step for a living attempt."""
    if facts.result is not None:
        return Obey(facts.result)
    match facts.claim:
        case Tombstone():
            return Closed(_why_never_started(attempt, facts, limits))
        case Claim() as claim:
            return _claimed(claim, facts, limits)
        case None:
            return _unclaimed(attempt, cancel_wanted, facts, limits)


def _claimed(claim: Claim, facts: Facts, limits: Limits) -> Decision:
    holder = facts.submissions.get(claim.runpod_job_id)
    if holder is not None and holder.status is RemoteStatus.COMPLETED and not _lost_its_claim(holder):
        return Abandon(NO_RESULT)
    if facts.now > from_datetime(claim.expires_at) + limits.skew * 1000:
        return Abandon(LOST)
    return Watch(claim)


def _lost_its_claim(job: RemoteJob) -> bool:
    """The platform ran the id again while its first worker, which holds the claim, works on: the second one left."""
    return isinstance(job.output, dict) and bool(job.output.get("claim_lost"))


def _unclaimed(attempt: AttemptRecord, cancel_wanted: bool, facts: Facts, limits: Limits) -> Decision:
    known = facts.submissions.values()
    all_over = bool(known) and not facts.unread and all(job.status.is_over for job in known)
    if cancel_wanted or all_over or _too_late(attempt, facts, limits):
        return Close(_why_never_started(attempt, facts, limits))
    if not known and not facts.unread and facts.now >= attempt.sent_at + limits.unknown_grace * 1000:
        return SendAgain() if facts.may_send_again else AwaitStart()
    return Watch()


def _too_late(attempt: AttemptRecord, facts: Facts, limits: Limits) -> bool:
    return facts.now > attempt.start_before + limits.skew * 1000


def _why_never_started(attempt: AttemptRecord, facts: Facts, limits: Limits) -> Failure:
    """The endpoint's own words where it has some; `CODE: sentence` is how our worker refuses."""
    words = next((job.error for job in facts.submissions.values() if job.error), None)
    if words:
        code, colon, sentence = words.partition(": ")
        if colon and code.isupper() and code.replace("_", "").isalnum():
            return Failure(code=code, message=sentence, retryable=code in PASSING)
        return Failure(code="WORKER_FAILED", message="The worker failed before it could take the job", retryable=True)
    if not facts.submissions and not facts.unread:
        return NOT_ACCEPTED
    return NOT_STARTED if _too_late(attempt, facts, limits) else LOST
