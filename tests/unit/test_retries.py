"""How often each way of failing is worth another attempt, and how long a job rests before it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from control_plane.clock import spoken
from control_plane.dispatch.retries import BY_TYPE, JITTER, RULES, UNFORESEEN, NextTry, next_try, rule_of
from shared.job_types import JobType
from shared.wire import Failure

ROOT = Path(__file__).parents[2]
ENDS_ATTEMPTS = ["gpu_worker/**/*.py", "shared/**/*.py", "control_plane/dispatch/[df]*.py"]
"""Whatever else has a code is told to a client in an answer, and no attempt ends by it."""
CODE = re.compile(r'\bcode(?:: ClassVar\[str\])? ?= ?"([A-Z_]+)"')


def again(
    code: str,
    *earlier: str,
    job_type: JobType = JobType.RENDER,
    most: int = 8,
    retryable: bool = True,
    job_id: str = "j",
) -> NextTry | None:
    failure = Failure(code=code, message="It broke.", retryable=retryable)
    return next_try(job_id, job_type, failure, earlier, most)


def attempts(code: str, job_type: JobType, most: int = 8) -> int:
    """How many attempts a job has that fails the same way each time."""
    earlier: list[str] = []
    while again(code, *earlier, job_type=job_type, most=most):
        earlier.append(code)
    return len(earlier) + 1


def test_every_code_an_attempt_can_end_with_has_a_row() -> None:
    files = [file for place in ENDS_ATTEMPTS for file in ROOT.glob(place)]
    found = {code for file in files for code in CODE.findall(file.read_text(encoding="utf-8"))}
    assert {"WORKER_LOST", "DISK_FULL", "NOT_STARTED", "CANCELED_REMOTELY"} <= found, (
        "the search finds nothing any more"
    )
    ends_a_worker_before_it_has_a_job = {"WORKER_UNFIT"}
    assert found - RULES.keys() == ends_a_worker_before_it_has_a_job
    assert {code for _, code in BY_TYPE} <= RULES.keys()


def test_a_code_nobody_knows_is_tried_once_more() -> None:
    assert rule_of(JobType.TTS, "QUANTUM_FOAM") is UNFORESEEN
    assert attempts("QUANTUM_FOAM", JobType.TTS) == 2


@pytest.mark.parametrize(
    ("code", "job_type", "expected"),
    [
        ("WORKER_LOST", JobType.RENDER, 4),
        ("WORKER_LOST", JobType.TRAIN_TWIN, 8),
        ("ENGINE_FAILED", JobType.RENDER, 2),
        ("ENGINE_FAILED", JobType.TTS, 3),
        ("OUT_OF_MEMORY", JobType.IMG2VID, 2),
        ("STORAGE_FAILED", JobType.RENDER, 4),
        ("INVALID_PARAMS", JobType.TTS, 1),
        ("DEADLINE_EXCEEDED", JobType.EXPORT, 1),
    ],
)
def test_attempts_by_error_and_type(code: str, job_type: JobType, expected: int) -> None:
    assert attempts(code, job_type) == expected


def test_what_the_worker_calls_final_is_final() -> None:
    assert again("STORAGE_FAILED", retryable=False) is None


def test_an_attempt_counts_against_the_rule_of_its_own_error() -> None:
    assert again("ENGINE_FAILED", "WORKER_LOST", "WORKER_LOST") is not None
    assert again("ENGINE_FAILED", "WORKER_LOST", "ENGINE_FAILED") is None


def test_the_ceiling_holds_for_all_together() -> None:
    assert attempts("WORKER_LOST", JobType.TRAIN_TWIN, most=3) == 3
    assert again("STORAGE_FAILED", "WORKER_LOST", "ENGINE_FAILED", most=3) is None
    assert again("WORKER_LOST", most=1) is None


def test_pauses_grow_to_a_top() -> None:
    pauses = [again("STORAGE_FAILED", *["STORAGE_FAILED"] * n) for n in range(3)]
    for pause, least in zip(pauses, (15.0, 60.0, 240.0), strict=True):
        assert pause is not None
        assert least <= pause.seconds <= least * (1 + JITTER)
    last = again("WORKER_LOST", *["WORKER_LOST"] * 6, job_type=JobType.TRAIN_TWIN)
    assert last is not None
    assert last.seconds <= 60.0 * (1 + JITTER)


def test_jobs_that_failed_together_do_not_come_back_together_and_each_always_at_its_own_time() -> None:
    pauses = [again("STORAGE_FAILED", job_id=str(number)) for number in range(20)]
    assert len({pause.seconds for pause in pauses if pause}) > 10
    assert pauses == [again("STORAGE_FAILED", job_id=str(number)) for number in range(20)]


def test_the_person_is_told_how_often_and_when() -> None:
    first, second = again("STORAGE_FAILED"), again("STORAGE_FAILED", "WORKER_LOST", "STORAGE_FAILED")
    assert first is not None
    assert second is not None
    assert first.message == f"It broke. Tried 1 of 4; again in {spoken(first.seconds)}"
    assert second.message.startswith("It broke. Tried 3 of 5; again in 1 min")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (0.2, "1 s"), (40, "40 s"), (60, "1 min"), (74.1, "1 min 15 s"), (7200, "2 h"), (5401, "1 h 30 min")],
)
def test_spoken(seconds: float, words: str) -> None:
    assert spoken(seconds) == words
