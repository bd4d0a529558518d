"""Why a job waits: each situation RunPod's IN_QUEUE hides has words of its own."""

from __future__ import annotations

import pytest

from control_plane.dispatch.waiting import ENOUGH_WAITS, Seen, UsualWait, explain, usual_wait
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
    ("waiting_for_worker", seen({"inQueue": 3, "inProgress": 2}, running=2, idle=1), 9999),
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


def test_what_is_usual_needs_some_history() -> None:
    assert usual_wait([1000] * (ENOUGH_WAITS - 1)) is None
    assert usual_wait([1000] * ENOUGH_WAITS) is not None


@pytest.mark.parametrize(
    ("seconds", "low", "high", "words"),
    [
        ([21, 25, 30, 50, 110], 20, 120, "usually 20 s to 2 min"),
        ([0.04, 0.05, 0.1, 0.2, 0.9], 0, 1, "usually within 1 s"),
        ([60] * 100, 60, 120, "usually 1 min to 2 min"),
        ([*[3] * 95, *[4000] * 5], 2, 5, "usually 2 s to 5 s"),
        ([100_000] * 5, 28_800, 28_800, "usually 8 h to 8 h"),
    ],
)
def test_what_is_usual(seconds: list[float], low: int, high: int, words: str) -> None:
    found = usual_wait([round(second * 1000) for second in seconds])
    assert found == UsualWait(low, high, len(seconds))
    assert found.words == words
