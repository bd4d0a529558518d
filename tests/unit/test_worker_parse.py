"""What a worker understands of the job it is handed, and what it refuses before it touches anything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gpu_worker.executor import ProtocolMismatch, StartTooLate, parse
from shared.errors import InvalidRequest
from shared.job_types import JobType

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def wire(**changes: object) -> dict[str, Any]:
    message = {
        "protocol": 1,
        "job_id": "0197-a",
        "attempt": 2,
        "token": "secret",
        "job_type": "TTS",
        "params": {"text": "hello"},
        "output_prefix": "jobs/0197-a/2/",
        "start_before": (NOW + timedelta(minutes=1)).isoformat(),
        "deadline_seconds": 60,
    }
    return {"id": "rp-1", "input": message | changes}


def test_reads_the_wire_message() -> None:
    task = parse(wire(added_by_a_newer_plane=True), NOW)
    assert (task.input.job_type, task.input.attempt, task.runpod_id, task.manual) == (JobType.TTS, 2, "rp-1", False)


def test_reads_what_a_person_sends_by_hand() -> None:
    task = parse({"id": "rp-2", "input": {"job_type": "RENDER", "prompt": "fog"}}, NOW)
    assert task.manual
    assert task.input.params == {"prompt": "fog"}
    assert task.input.output_prefix == "manual/rp-2/"


@pytest.mark.parametrize(
    ("job", "error", "words"),
    [
        (wire(protocol=2), ProtocolMismatch, "speaks protocol 1 and got 2"),
        (wire(start_before=(NOW - timedelta(seconds=1)).isoformat()), StartTooLate, "latest moment"),
        (wire(attempt=0), InvalidRequest, "attempt: Input should be greater than"),
        (wire(job_id="../../uploads"), InvalidRequest, "job_id, output_prefix: a storage key"),
        (wire(output_prefix="/etc/"), InvalidRequest, "job_id, output_prefix: a storage key"),
        ({"id": "rp-3", "input": "a prompt"}, InvalidRequest, "must be a JSON object"),
        ({"id": "rp-4", "input": {"prompt": "fog"}}, InvalidRequest, "job_type: Input should be 'RENDER'"),
        ({"id": "../x", "input": {"job_type": "RENDER", "prompt": "fog"}}, InvalidRequest, "a storage key"),
    ],
)
def test_refuses_in_words(job: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        parse(job, NOW)
