"""Every rule about a living attempt, one row each: what is known → what is done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from control_plane.dispatch.decide import (
    LOST,
    NO_RESULT,
    NOT_ACCEPTED,
    NOT_STARTED,
    Abandon,
    AwaitStart,
    Close,
    Closed,
    Facts,
    Obey,
    SendAgain,
    Watch,
    decide,
)
from control_plane.dispatch.limits import Limits
from control_plane.endpoints.port import RemoteJob, RemoteStatus
from control_plane.jobs.records import AttemptRecord
from shared.states import AttemptState
from shared.wire import Claim, Failure, Result, Tombstone

NOW = 1_000_000_000
LIMITS = Limits(skew=30, unknown_grace=30)


def attempt(**changes: Any) -> AttemptRecord:
    values: dict[str, Any] = {
        "job_id": "j", "number": 1, "token": "t", "state": AttemptState.SUBMITTED, "endpoint": "local",
        "store": "local", "deadline_seconds": 60.0, "start_before": NOW + 3_600_000, "prepared_at": NOW - 5000,
        "sent_at": NOW - 5000, "started_at": None, "ended_at": None, "holder": None, "lease_expires_at": None,
        "run": 0, "seq": 0, "heard_at": None, "outcome": None,
    }  # fmt: skip
    return AttemptRecord(**values | changes)


def claim(expires_in: float, holder: str = "a") -> Claim:
    now = datetime.fromtimestamp(NOW / 1000, UTC)
    return Claim(
        token="t", runpod_job_id=holder, worker_id="w", run=1, claimed_at=now,
        expires_at=now + timedelta(seconds=expires_in),
    )  # fmt: skip


def facts(*statuses: RemoteStatus, **more: Any) -> Facts:
    known = {name: RemoteJob(name, status) for name, status in zip("abc", statuses, strict=False)}
    return Facts(NOW, known, **more)


IN_QUEUE, IN_PROGRESS, COMPLETED = RemoteStatus.IN_QUEUE, RemoteStatus.IN_PROGRESS, RemoteStatus.COMPLETED
FAILED, GONE, CANCELLED = RemoteStatus.FAILED, RemoteStatus.GONE, RemoteStatus.CANCELLED
RESULT = Result(job_id="j", attempt=1, run=1)
TOMB = Tombstone(token="t", at=datetime.fromtimestamp(NOW / 1000, UTC))
UNREAD = frozenset("a")

RULES = [
    ("the result decides, whatever else is said", {}, facts(FAILED, result=RESULT, claim=TOMB), Obey(RESULT)),
    ("a tombstone closes", {}, facts(IN_QUEUE, claim=TOMB), Closed(LOST)),
    ("a live claim is watched", {}, facts(IN_PROGRESS, claim=claim(60)), Watch(claim(60))),
    ("a gone holder keeps its lease", {}, facts(GONE, claim=claim(60)), Watch(claim(60))),
    ("a failed holder keeps its lease", {}, facts(FAILED, claim=claim(60)), Watch(claim(60))),
    ("a lease within the clocks' difference counts", {}, facts(GONE, claim=claim(-29)), Watch(claim(-29))),
    ("an expired lease is a lost worker", {}, facts(GONE, claim=claim(-31)), Abandon(LOST)),
    ("whatever the platform says", {}, facts(IN_PROGRESS, claim=claim(-31)), Abandon(LOST)),
    ("and when it says nothing", {}, facts(unread=UNREAD, claim=claim(-31)), Abandon(LOST)),
    ("a holder that returned without a result", {}, facts(COMPLETED, claim=claim(60)), Abandon(NO_RESULT)),
    ("a loser that returned is not the holder", {}, facts(COMPLETED, claim=claim(60, "b")), Watch(claim(60, "b"))),
    ("a queued submission waits", {}, facts(IN_QUEUE), Watch()),
    ("a starting one too", {}, facts(IN_PROGRESS), Watch()),
    ("over and unclaimed is closed", {}, facts(FAILED), Close(LOST)),
    ("forgotten and unclaimed is closed", {}, facts(GONE), Close(LOST)),
    ("not while another may start", {}, facts(GONE, IN_QUEUE), Watch()),
    ("not while one cannot be read", {}, facts(GONE, unread=frozenset("b")), Watch()),
    ("a fresh unknown waits", {"sent_at": NOW - 29_000}, facts(), Watch()),
    ("an old unknown is sent again", {"sent_at": NOW - 30_000}, facts(), SendAgain()),
    ("not where two submissions could both run", {"sent_at": 0}, facts(may_send_again=False), AwaitStart()),
    (
        "there it is closed when it cannot start",
        {"start_before": NOW - 30_001},
        facts(may_send_again=False),
        Close(NOT_ACCEPTED),
    ),
    ("not when it is known and unread", {"sent_at": NOW - 30_000}, facts(unread=UNREAD), Watch()),
    ("too late to start", {"start_before": NOW - 30_001}, facts(IN_QUEUE), Close(NOT_STARTED)),
    ("too late to send again", {"start_before": NOW - 30_001, "sent_at": 0}, facts(), Close(NOT_ACCEPTED)),
]


@pytest.mark.parametrize(("about", "found", "expected"), [rule[1:] for rule in RULES], ids=[rule[0] for rule in RULES])
def test_rule(about: dict[str, Any], found: Facts, expected: object) -> None:
    assert decide(attempt(**about), False, found, LIMITS) == expected


CANCELS = [
    ("unclaimed is closed at once", facts(IN_QUEUE), Close),
    ("unknown is closed at once", facts(), Close),
    ("unread is closed at once", facts(unread=UNREAD), Close),
    ("a live claim must end first", facts(CANCELLED, claim=claim(60)), Watch),
    ("a dead one is abandoned", facts(CANCELLED, claim=claim(-31)), Abandon),
    ("a result stands", facts(result=RESULT), Obey),
]


@pytest.mark.parametrize(("found", "expected"), [rule[1:] for rule in CANCELS], ids=[rule[0] for rule in CANCELS])
def test_cancel_rule(found: Facts, expected: type) -> None:
    assert isinstance(decide(attempt(), True, found, LIMITS), expected)


def test_the_workers_own_words_are_kept_and_foreign_ones_are_not() -> None:
    ours = Facts(NOW, {"a": RemoteJob("a", FAILED, error="START_TOO_LATE: Too late to start.")})
    assert decide(attempt(), False, ours, LIMITS) == Close(
        Failure(code="START_TOO_LATE", message="Too late to start.", retryable=True)
    )
    theirs = Facts(NOW, {"a": RemoteJob("a", FAILED, error='File "/app/secret.py", line 3')})
    decision = decide(attempt(), False, theirs, LIMITS)
    assert isinstance(decision, Close)
    assert "secret" not in decision.failure.message
