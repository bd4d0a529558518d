"""Why a job waits: each situation RunPod's IN_QUEUE hides has words of its own."""

from __future__ import annotations

import pytest

from control_plane.dispatch.waiting import Seen, explain
from control_plane.endpoints.port import EndpointHealth


def seen(jobs: dict[str, int] | None = None, **workers: int) -> Seen:
    return Seen(True, "Connected", EndpointHealth(jobs or {"inQueue": 1}, workers))


SITUATIONS = [
    ("endpoint_unreachable", Seen(False, "The GPU endpoint does not accept the API key."), 0),
    ("cold_start", seen(initializing=1, throttled=1), 0),
    ("cold_start", seen(), 59),
    ("scaled_to_zero", seen(), 61),
    ("throttled", seen(throttled=2), 0),
    ("crash_looping", seen(unhealthy=1, initializing=1), 0),
    ("waiting_for_worker", seen({"inQueue": 3, "inProgress": 2}, running=2), 9999),
    ("waiting_for_worker", seen({"inQueue": 1, "inProgress": 0}, idle=1), 5),
    ("stalled", seen({"inQueue": 1, "inProgress": 0}, running=1), 181),
    ("waiting_for_worker", seen(unhealthy=1, running=1), 0),
]


@pytest.mark.parametrize(("stage", "found", "seconds"), SITUATIONS)
def test_situation(stage: str, found: Seen, seconds: float) -> None:
    waiting = explain(found, seconds)
    assert waiting.stage == stage
    assert waiting.message
    assert (waiting.advice == "") == (stage in ("cold_start", "waiting_for_worker"))


def test_a_refused_key_is_said() -> None:
    assert "key" in explain(Seen(False, "The GPU endpoint does not accept the API key."), 0).message
