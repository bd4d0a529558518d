"""RunPod's limits are kept by waiting: hours of calls in virtual time, counted in every window of ten seconds."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import defaultdict

import httpx
import pytest

from control_plane.endpoints.port import Policy
from control_plane.endpoints.quotas import none
from control_plane.endpoints.runpod import RunPodEndpoint
from tests.standins.virtual_time import run

POLICY = Policy(execution_timeout_ms=600_000, ttl_ms=3_600_000)
ANSWER_SECONDS = 0.2


class Counting(httpx.AsyncBaseTransport):
    """An endpoint that takes its time, and notes when it was asked for what."""

    def __init__(self) -> None:
        self.moments: defaultdict[str, list[float]] = defaultdict(list)
        self.most_at_once: defaultdict[str, int] = defaultdict(int)
        self._now: defaultdict[str, int] = defaultdict(int)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        operation = request.url.path.split("/")[3]
        self.moments[operation].append(asyncio.get_running_loop().time())
        self._now[operation] += 1
        self.most_at_once[operation] = max(self.most_at_once[operation], self._now[operation])
        await asyncio.sleep(ANSWER_SECONDS)
        self._now[operation] -= 1
        return httpx.Response(200, json={"id": "a", "status": "IN_QUEUE"})

    def most_in_ten_seconds(self, operation: str) -> int:
        moments = self.moments[operation]
        return max(at + 1 - bisect_left(moments, moment - 10.0) for at, moment in enumerate(moments))


async def ask(endpoint: RunPodEndpoint, operation: str, number: int) -> None:
    match operation:
        case "run":
            await endpoint.run({}, POLICY)
        case "status":
            await endpoint.status(f"id{number}")
        case _:
            await endpoint.cancel(f"id{number}")


def everything_at_once(operation: str, calls: int, **options: object) -> Counting:
    transport = Counting()

    async def main() -> None:
        async with httpx.AsyncClient(transport=transport, timeout=None) as client:
            endpoint = RunPodEndpoint("https://api.runpod.ai/v2/abc", "key", client, **options)  # type: ignore[arg-type] # quotas
            await asyncio.gather(*(ask(endpoint, operation, number) for number in range(calls)))

    run(main(), lambda: 0.0)
    return transport


@pytest.mark.parametrize(
    ("operation", "limit", "at_once"), [("run", 1000, 200), ("status", 2000, 400), ("cancel", 100, 20)]
)
def test_no_operation_is_called_more_often_than_runpod_allows(operation: str, limit: int, at_once: int) -> None:
    seen = everything_at_once(operation, 3 * limit)
    assert 0.97 * limit <= seen.most_in_ten_seconds(operation) <= limit
    assert seen.most_at_once[operation] <= at_once


def test_an_endpoint_of_our_own_is_not_held_up() -> None:
    seen = everything_at_once("run", 3000, quotas=none())
    assert seen.most_in_ten_seconds("run") == 3000
