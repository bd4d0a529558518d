"""Intake, and intake to done, against what such services are built with: FastAPI with Celery or Huey, in one run.

    make bench-peers        # Celery needs a redis-server; without one it is left out, and the table says so

Intake: 32 clients, nothing takes the jobs meanwhile. An answer means that the job is kept: by us and by Huey on the
disk (`synchronous=FULL`), by Redis in memory and within a second on the disk. Intake to done: no-op jobs with the
workers running, from the first request until the last result is kept; a job that was refused or lost does not count.
CPU is processor time a job, of all processes of the service together. Every figure is from a fresh start; rounds are
interleaved, and the medians of figures and of each round's ratios are printed.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from benchmarks.peers.clients import submit_all, submit_for
from benchmarks.peers.servers import Peer, celery, huey, rushes

CLIENTS, ROUNDS, SECONDS, JOBS, WARM_UP = 32, 5, 2.0, 2000, 50
STALLED_SECONDS = 15.0
OURS = "Rushes"
PEERS: dict[str, Peer] = {OURS: rushes, "FastAPI + Huey on SQLite": huey, "FastAPI + Celery + Redis": celery}
NO_REDIS = "left out: there is no redis-server here (apt-get install redis-server; brew install redis)"
Figures = dict[str, float]


def wait_until_done(done: Callable[[], int], jobs: int) -> tuple[int, float]:
    """How many are done, and when the last of them was, which is all of them unless nothing moves any more."""
    seen, at = done(), time.perf_counter()
    while seen < jobs and time.perf_counter() - at < STALLED_SECONDS:
        time.sleep(0.05)
        now = done()
        if now > seen:
            seen, at = now, time.perf_counter()
    return seen, at


def intake(peer: Peer) -> Figures:
    """Submissions with nobody to work on them."""
    with tempfile.TemporaryDirectory() as folder, peer(Path(folder), False) as running:
        submit_all(running.url, CLIENTS, WARM_UP)
        used = running.processor_seconds()
        answers = submit_for(running.url, CLIENTS, SECONDS)
        used = running.processor_seconds() - used
        latencies = {"p50": answers.percentile_ms(0.5), "p99": answers.percentile_ms(0.99)}
        cost = used / len(answers.latencies) * 1000
        return {"intake": answers.per_second, "intake_cost": cost, "refused": answers.refused, **latencies}


def to_done(peer: Peer) -> Figures:
    """Jobs done a second, from the first request on. The workers have shown before that they work."""
    with tempfile.TemporaryDirectory() as folder, peer(Path(folder), True) as running:
        submit_all(running.url, CLIENTS, WARM_UP)
        before, _ = wait_until_done(running.done, WARM_UP)
        used, started = running.processor_seconds(), time.perf_counter()
        submit_all(running.url, CLIENTS, JOBS)
        seen, at = wait_until_done(running.done, before + JOBS)
        used, done = running.processor_seconds() - used, seen - before
        return {"done": done / (at - started), "done_cost": used / done * 1000, "lost": JOBS - done}


def report(rounds: dict[str, list[Figures]]) -> None:
    """A line for each peer."""
    print(
        f"{'':<26}{'intake/s':>9}{'p50 ms':>8}{'p99 ms':>8}{'CPU ms':>8}{'Rushes is':>11}"
        f"{'done/s':>9}{'CPU ms':>8}{'Rushes is':>11}"
    )
    for name, figures in rounds.items():
        middle = {key: statistics.median(one[key] for one in figures) for key in figures[0]}
        print(
            f"{name:<26}{middle['intake']:>9,.0f}{middle['p50']:>8.1f}{middle['p99']:>8.1f}"
            f"{middle['intake_cost']:>8.2f}{_times(rounds, name, 'intake'):>11}"
            f"{middle['done']:>9,.0f}{middle['done_cost']:>8.2f}{_times(rounds, name, 'done'):>11}" + _not_well(figures)
        )


def _times(rounds: dict[str, list[Figures]], name: str, key: str) -> str:
    """How many times as fast ours is, in the median round: one round's figures are made within seconds."""
    if name == OURS:
        return ""
    ratios = [ours[key] / theirs[key] for ours, theirs in zip(rounds[OURS], rounds[name], strict=True)]
    return f"{statistics.median(ratios):.1f} x"


def _not_well(figures: list[Figures]) -> str:
    refused, lost = (sum(one[key] for one in figures) for key in ("refused", "lost"))
    return f"   {refused:.0f} refused, {lost:.0f} not done" if refused or lost else ""


def main() -> None:
    """Measure and print."""
    missing = () if shutil.which("redis-server") else ("FastAPI + Celery + Redis",)
    rounds: defaultdict[str, list[Figures]] = defaultdict(list)
    for _ in range(ROUNDS):
        here = {name: peer for name, peer in PEERS.items() if name not in missing}
        taken = {name: intake(peer) for name, peer in here.items()}
        for name, peer in here.items():
            rounds[name].append(taken[name] | to_done(peer))
    print(f"{CLIENTS} clients, {ROUNDS} interleaved rounds, intake for {SECONDS:.0f} s, {JOBS} jobs to done; medians\n")
    report(rounds)
    for name in missing:
        print(f"{name:<26}{NO_REDIS}")


if __name__ == "__main__":
    main()
