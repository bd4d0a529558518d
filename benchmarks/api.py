"""Submissions a second and reads a second, against the same routes without Rushes in the same run.

    make bench

A submission is on the disk (`synchronous=FULL`) before it is answered; the plain routes store nothing. Rounds are
interleaved, so that a machine that slows down slows all; the median of each is printed, and the ratio of medians.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

CLIENTS, SECONDS, ROUNDS = 32, 3.0, 5
COLD_STARTS = 3
BODY = '{"type":"TTS","params":{"text":"hello"}}'
Figures = dict[str, float]


@contextlib.contextmanager
def rushes(folder: Path) -> Iterator[tuple[str, int]]:
    """The real server, and its process id. Two jobs go to its worker, the rest wait in the table."""
    log = folder / "log"
    environment = os.environ | {"DATA_DIR": str(folder), "MAX_IN_FLIGHT": "1"}
    command = [sys.executable, "-m", "control_plane", "serve", "--port", "0"]
    with log.open("w") as written:
        process = subprocess.Popen(command, env=environment, stderr=written, stdout=written)
    try:
        yield _announced(log), process.pid
    finally:
        process.terminate()
        process.wait()


def _announced(log: Path) -> str:
    for _ in range(2000):
        if found := re.search(r"listening on (\S+)\n", log.read_text()):
            return found[1]
        time.sleep(0.005)
    raise SystemExit(log.read_text())


@contextlib.contextmanager
def plain(framework: str, job: bytes) -> Iterator[str]:
    """One of the baselines, answering with this job."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.plain", framework, str(port)], stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(job)
    process.stdin.close()
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(500):
            with contextlib.suppress(OSError):
                urlopen(f"{url}/jobs/1").close()
                break
            time.sleep(0.02)
        yield url
    finally:
        process.terminate()
        process.wait()


def load(url: str, *body_and_headers: str) -> Figures:
    """One round of load from a process of its own."""
    command = [sys.executable, "-m", "benchmarks.load", url, str(CLIENTS), str(SECONDS), *body_and_headers]
    figures: Figures = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return figures


def resident_mb(pid: int) -> float:
    """Resident memory of one process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def submit(url: str) -> str:
    """One job's id."""
    request = Request(f"{url}/jobs", BODY.encode(), {"Content-Type": "application/json"})
    with urlopen(request) as answer:
        job_id: str = json.load(answer)["job_id"]
    return job_id


def first_answer_seconds() -> float:
    """From the start of the process, on an empty folder, to a 200 of `GET /jobs`."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        with rushes(Path(folder)) as (url, _), urlopen(f"{url}/jobs") as answer:
            assert answer.status == 200
            return time.perf_counter() - started


def measure(ours: str, fastapi: str, starlette: str, job_id: str, etag: str) -> dict[str, list[Figures]]:
    """Every row's rounds, by name."""
    rounds: defaultdict[str, list[Figures]] = defaultdict(list)
    for _ in range(ROUNDS):
        rounds["GET /jobs/{id}"].append(load(f"{ours}/jobs/{job_id}"))
        rounds["  FastAPI, response model"].append(load(f"{fastapi}/jobs/{job_id}"))
        rounds["  bare Starlette route"].append(load(f"{starlette}/jobs/{job_id}"))
        rounds["GET /jobs/{id}, 304"].append(load(f"{ours}/jobs/{job_id}", "", f"If-None-Match: {etag}"))
    for _ in range(ROUNDS):
        rounds["POST /jobs, durable"].append(load(f"{ours}/jobs", BODY))
        rounds["  FastAPI, not stored"].append(load(f"{fastapi}/jobs", BODY))
    return rounds


def report(rounds: dict[str, list[Figures]]) -> None:
    """A line each, with the ratio to the baselines that stand under ours."""
    medians = {
        name: {key: statistics.median(one[key] for one in figures) for key in ("per_second", "p50_ms", "p99_ms")}
        for name, figures in rounds.items()
    }
    print(f"{'':<28}{'per second':>11}{'p50 ms':>9}{'p99 ms':>9}{'failed':>8}   Rushes is")
    ours = 0.0
    for name, one in medians.items():
        baseline = name.startswith(" ")
        ours = ours if baseline else one["per_second"]
        failed = sum(figures["failed"] for figures in rounds[name])
        ratio = f"   {ours / one['per_second']:.2f} of it" if baseline else ""
        print(f"{name:<28}{one['per_second']:>11,.0f}{one['p50_ms']:>9.1f}{one['p99_ms']:>9.1f}{failed:>8.0f}{ratio}")


def main() -> None:
    """Measure and print."""
    cold = statistics.median(first_answer_seconds() for _ in range(COLD_STARTS))
    with tempfile.TemporaryDirectory() as folder, rushes(Path(folder)) as (ours, pid):
        time.sleep(3)
        idle = resident_mb(pid)
        submit(ours)
        waiting = submit(ours)
        with urlopen(f"{ours}/jobs/{waiting}") as answer:
            job, etag = answer.read(), answer.headers["ETag"]
        with plain("fastapi", job) as fastapi, plain("starlette", job) as starlette:
            rounds = measure(ours, fastapi, starlette, waiting, etag)
        loaded = resident_mb(pid)
    print(f"{CLIENTS} clients, {ROUNDS} interleaved rounds of {SECONDS:.0f} s each, medians\n")
    report(rounds)
    print(f"\nstart of the process to the first answer: {cold:.2f} s (goal: under 1.5), median of {COLD_STARTS}")
    print(f"resident memory: {idle:.0f} MB idle (goal: under 90), {loaded:.0f} MB after the load")


if __name__ == "__main__":
    main()
