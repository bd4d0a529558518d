"""What 100 submissions a second to one RunPod endpoint, as many as it takes, cost the control plane; and where it goes.

    make bench-peers        # after the peers; alone: python -m benchmarks.submissions

The plane is a process of its own and sends to a stand-in for RunPod in another, over real HTTP, where every job stays
in the queue: so it also keeps asking how they all are. Processor time is the kernel's count for the plane's process; a
part's is measured apart, by the same calls alone, and the rest is what remains.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import uvicorn
import uvloop

from benchmarks.peers.clients import BODY, submit_all
from benchmarks.peers.servers import free_port, module, process, processor_seconds, rushes, wait_for
from control_plane.app import create_app
from control_plane.cli.serving import spare_the_collector
from control_plane.endpoints.port import Policy
from control_plane.endpoints.quotas import none
from control_plane.endpoints.runpod import RunPodEndpoint
from control_plane.settings import Settings
from tests.standins.runpod import RunPodStandIn

PER_SECOND, SECONDS, CALLS, AT_ONCE = 100, 10, 600, 16
POLICY = Policy(execution_timeout_ms=600_000, ttl_ms=3_600_000)
PAYLOAD = {"protocol": 1, "job_id": "x" * 36, "token": "x" * 32, "job_type": "TTS", "params": {"text": "hello"}}


def plane(folder: str, port: str, url: str, key: str) -> None:
    """The control plane with this endpoint, until killed."""
    settings = Settings(_env_file=None, data_dir=Path(folder), max_in_flight=10_000)
    app = create_app(settings, base_url=f"http://127.0.0.1:{port}", endpoint=RunPodEndpoint(url, key))
    spare_the_collector()
    uvicorn.run(app, port=int(port), log_level="warning", access_log=False)


async def stand_in() -> None:
    """The RunPod that takes everything and starts nothing; says where it is, and at each line what was called."""
    async with RunPodStandIn() as runpod:
        print(runpod.url, runpod.key, flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(runpod.calls), flush=True)


@contextlib.contextmanager
def started_stand_in() -> Iterator[tuple[str, str, Callable[[], dict[str, int]]]]:
    """Its address, its key, and how often it has been called."""
    command = module("benchmarks.submissions", "stand-in")
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin
    assert child.stdout
    asking, answering = child.stdin, child.stdout

    def calls() -> dict[str, int]:
        print(file=asking, flush=True)
        found: dict[str, int] = json.loads(answering.readline())
        return found

    try:
        url, key = answering.readline().split()
        yield url, key, calls
    finally:
        child.kill()
        child.communicate()


def sustain(url: str, key: str, calls: Callable[[], dict[str, int]]) -> tuple[float, float, float]:
    """Submissions and status calls a second that arrived while jobs came in evenly, and the plane's share of a core."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        with process(Path(folder), module("benchmarks.submissions", "plane", folder, str(port), url, key)) as pid:
            wait_for(port, Path(folder))
            submit_all(f"http://127.0.0.1:{port}", 1, 20)
            time.sleep(2)
            before, used, started = calls(), processor_seconds(pid), time.perf_counter()
            post_evenly(port)
            after, took = calls(), time.perf_counter() - started
            used = processor_seconds(pid) - used
    rates = [(after[name] - before[name]) / took for name in ("run", "status")]
    return rates[0], rates[1], used / took


def post_evenly(port: int) -> None:
    """One after the other, each at its time."""
    client = http.client.HTTPConnection("127.0.0.1", port)
    started = time.perf_counter()
    for n in range(PER_SECOND * SECONDS):
        time.sleep(max(0.0, started + n / PER_SECOND - time.perf_counter()))
        client.request("POST", "/jobs", BODY, {"Content-Type": "application/json"})
        client.getresponse().read()
    client.close()


def intake_cost() -> float:
    """Processor milliseconds for taking a job in, which is then left to wait."""
    with tempfile.TemporaryDirectory() as folder, rushes(Path(folder), False) as running:
        submit_all(running.url, AT_ONCE, CALLS)
        used = running.processor_seconds()
        submit_all(running.url, AT_ONCE, 5 * CALLS)
        return (running.processor_seconds() - used) / (5 * CALLS) * 1000


async def call_cost(call: Callable[[], Awaitable[object]]) -> float:
    """Processor milliseconds of this process for one call, some being under way at once."""
    for _ in range(2):
        left, used = iter(range(CALLS)), time.process_time()

        async def caller(left: Iterator[int] = left) -> None:
            for _ in left:
                await call()

        await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
        used = time.process_time() - used
    return used / CALLS * 1000


async def calls_cost(url: str, key: str) -> tuple[float, float, float]:
    """A submission, a status call, and a submission through a client as httpx makes it."""
    ours = RunPodEndpoint(url, key, quotas=none())
    theirs = RunPodEndpoint(url, key, httpx.AsyncClient(timeout=20, trust_env=False), quotas=none())
    job = await ours.run(PAYLOAD, POLICY)
    try:
        run = await call_cost(lambda: ours.run(PAYLOAD, POLICY))
        status = await call_cost(lambda: ours.status(job))
        return run, status, await call_cost(lambda: theirs.run(PAYLOAD, POLICY))
    finally:
        await ours.aclose()
        await theirs._client.aclose()


def main() -> None:
    """Measure and print."""
    with started_stand_in() as (url, key, calls):
        submissions, looks, share = sustain(url, key, calls)
    with started_stand_in() as (url, key, calls):
        run, status, plain = uvloop.run(calls_cost(url, key))
    intake = intake_cost()
    rows = [
        ("jobs taken in", submissions, intake),
        ("POST /run", submissions, run),
        ("GET /status", looks, status),
    ]
    rest = share - sum(each * cost / 1000 for _, each, cost in rows)
    print(f"\n{'':<34}{'a second':>10}{'ms each':>9}{'of a core':>11}")
    for name, each, cost in rows:
        print(f"{name:<34}{each:>10.0f}{cost:>9.2f}{each * cost / 1000:>11.1%}")
    print(f"{'job table, claims, followers':<34}{'':>19}{rest:>11.1%}")
    print(f"{'the whole plane (goal: under 100 %)':<34}{'':>18}{share:>11.1%}")
    print(f"\nPOST /run through httpx's own pool: {plain:.2f} ms each, {plain / run:.1f} x")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["plane", *arguments]:
            plane(*arguments)
        case ["stand-in"]:
            asyncio.run(stand_in())
        case _:
            main()
