"""Thousands of jobs in flight: how old a change is when a client hears of it, and what following them costs.

    make bench-in-flight                                  # ten thousand, with callbacks; then 200 without
    make bench-in-flight ARGS="--jobs 1000 --finished 0"  # and others

The real server, with RUNPOD_ENDPOINT, a bucket and a public address set, takes over a database in which the jobs are
already in flight beside a million finished ones. RunPod, its workers, the bucket and the client are simulated in one
other process. As many jobs begin as end.

How often do that many jobs change? A worker reports at each step, once a second at most (`gpu_worker/progress.py`). A
job of ten minutes on a diffusion model has fifty steps: one report in twelve seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from benchmarks.in_flight.fleet import BUCKET, Terms, terms_json
from benchmarks.in_flight.seed import seed

KEY = "bench"
TICK = os.sysconf("SC_CLK_TCK")
NONE = {"count": 0, "p50": 0.0, "p99": 0.0, "max": 0.0}


class Simulation:
    """The other process."""

    def __init__(self, terms: Terms) -> None:
        command = [sys.executable, "-m", "benchmarks.in_flight.fleet", terms_json(terms)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{self._read()}"

    def tell(self, command: str) -> None:
        """One command."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()

    def report(self) -> dict[str, Any]:
        """What it has measured."""
        self.tell("report")
        found: dict[str, Any] = json.loads(self._read())
        return found

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("the simulation has ended")
        return line.strip()

    def stop(self) -> None:
        """For good."""
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def plane(folder: Path, fleet_url: str, terms: Terms) -> Iterator[tuple[str, int]]:
    """`rushes serve` as on a VPS, and its process id."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    environment = os.environ | {
        "DATA_DIR": str(folder), "API_KEY": KEY, "MAX_IN_FLIGHT": str(max(terms.jobs, 1)),
        "RUNPOD_ENDPOINT": f"{fleet_url}/v2/fleet", "RUNPOD_API_KEY": KEY,
        "S3_BUCKET": BUCKET, "S3_ENDPOINT_URL": fleet_url, "S3_ACCESS_KEY_ID": KEY, "S3_SECRET_ACCESS_KEY": KEY,
        "BUDGET_JOB_USD": "1e6", "BUDGET_DAILY_USD": "1e9", "BUDGET_MONTHLY_USD": "1e9",
    } | ({"PUBLIC_URL": url} if terms.callbacks else {})  # fmt: skip
    log = folder / "log"
    command = [sys.executable, "-m", "control_plane", "serve", "--port", url.rsplit(":", 1)[1]]
    with log.open("w") as written:
        process = subprocess.Popen(command, env=environment, stdout=written, stderr=written)
    try:
        _wait_for(url, process, log)
        yield url, process.pid
    finally:
        process.kill()
        process.wait()
        _show_trouble(log)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    while process.poll() is None:
        with contextlib.suppress(OSError), urlopen(f"{url}/health") as answer:
            if json.load(answer)["runpod_connected"]:
                return
        time.sleep(0.05)
    raise SystemExit(log.read_text())


def _show_trouble(log: Path) -> None:
    troubles = [line for line in log.read_text().splitlines() if "WARNING" in line or "ERROR" in line]
    for line in troubles[:5]:
        print(f"log: {line[:200]}")
    if len(troubles) > 5:
        print(f"log: and {len(troubles) - 5:,} more")


def processor_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory_mb(pid: int, name: str = "VmRSS") -> float:
    """Resident memory of a process: now, or at most so far (`VmHWM`)."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024 / 1e6


def run(terms: Terms, finished: int, warm_up: float, seconds: float) -> None:
    """One measurement, printed."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, simulation = Path(temporary), Simulation(terms)
        try:
            store = f"s3://{BUCKET}@{simulation.url.removeprefix('http://')}"
            endpoint = f"{simulation.url}/v2/fleet"
            seed(folder / "rushes.db", finished=finished, running=terms.jobs, endpoint=endpoint, store=store)
            with plane(folder, simulation.url, terms) as (url, pid):
                simulation.tell(f"go {url} {KEY}")
                time.sleep(warm_up)
                simulation.tell("reset")
                before, started = processor_seconds(pid), time.monotonic()
                time.sleep(seconds)
                share = (processor_seconds(pid) - before) / (time.monotonic() - started)
                report(terms, finished, simulation.report(), share, pid)
                _still_answers(url)
                simulation.stop()
        finally:
            simulation.stop()


def _still_answers(url: str) -> None:
    with urlopen(Request(f"{url}/jobs?limit=1", headers={"Authorization": f"Bearer {KEY}"})) as answer:
        assert answer.status == 200


def report(terms: Terms, finished: int, found: dict[str, Any], share: float, pid: int) -> None:
    """What was measured, with the goals."""
    how = "with callbacks" if terms.callbacks else "without callbacks"
    print(f"\n{terms.jobs:,} jobs in flight {how}, {finished:,} finished ones; {found['seconds']:.0f} s")
    rate = terms.jobs / terms.every
    print(f"each lasts {terms.minutes:g} min and reports every {terms.every:g} s: {rate:,.0f} changes a second")
    print(f"{'change to SSE client':<24}{'count':>9}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}")
    for kind in ("progress", "started", "finished", "any change"):
        ages = found["ages"].get(kind, NONE)
        times = "".join(f"{ages[key] * 1000:>9.0f}" for key in ("p50", "p99", "max"))
        print(f"  {kind:<22}{ages['count']:>9,}{times}")
    goal = "p99 under 1000 ms" if terms.callbacks else "2000 ms at most for up to 200 jobs"
    print(f"  goal: {goal}")
    calls = ", ".join(f"{name} {count / found['seconds']:.1f}" for name, count in found["calls"].items())
    print(f"calls a second to the endpoint: {calls}")
    print(f"calls of /status in any 10 s: {found['most status calls in 10 s']:,} at most (RunPod allows 2,000)")
    print(f"processor: {share:.2f} of a core (goal: under 0.5)")
    print(f"resident memory: {memory_mb(pid):.0f} MB, {memory_mb(pid, 'VmHWM'):.0f} at most (goal: under 150)")
    if found["refused"]:
        print(f"posts that were not taken: {found['refused']:,}")


def main() -> None:
    """As asked; by default both measurements."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.in_flight")
    parser.add_argument("--jobs", type=int, help="in flight; both default measurements when left out")
    parser.add_argument("--finished", type=int, default=1_000_000, help="finished jobs in the database")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long each job lasts")
    parser.add_argument("--every", type=float, default=12.0, help="seconds between two reports of a job")
    parser.add_argument("--no-callbacks", action="store_true", help="the plane has to ask for everything")
    parser.add_argument("--warm-up", type=float, default=90.0, help="seconds before measuring: the first look at all")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to measure")
    asked = parser.parse_args()
    if asked.jobs is not None:
        terms = Terms(asked.jobs, asked.minutes, asked.every, not asked.no_callbacks)
        run(terms, asked.finished, asked.warm_up, asked.seconds)
        return
    run(Terms(10_000, asked.minutes, asked.every, callbacks=True), asked.finished, asked.warm_up, asked.seconds)
    run(Terms(200, asked.minutes, 2.0, callbacks=False), 0, 15.0, asked.seconds / 2)


if __name__ == "__main__":
    main()
