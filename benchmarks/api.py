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
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

CLIENTS, SECONDS, ROUNDS = 32, 3.0, 5
COLD_STARTS = 3
BODY = '{"type":"TTS","params":{"text":"hello"}}'
SECOND = {"url": "https://example.com/clip.mp4", "start": 0.0, "end": 2.0}
WORDS = [{"text": "Words that are said in this second.", "start": float(at), "end": at + 0.9} for at in range(60)]
FILM = json.dumps({"type": "EXPORT", "params": {"clips": [SECOND] * 30, "captions": WORDS}})
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
def plain(framework: str, job: bytes) -> Iterator[tuple[str, int]]:
    """One of the baselines, answering with this job, and its process id."""
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
        yield url, process.pid
    finally:
        process.terminate()
        process.wait()


def load(url: str, pid: int, *body_and_headers: str) -> Figures:
    """One round of load from a process of its own; `cpu_us` is what the server `pid` spent on each request."""
    before = processor_seconds(pid)
    command = [sys.executable, "-m", "benchmarks.load", url, str(CLIENTS), str(SECONDS), *body_and_headers]
    figures: Figures = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return figures | {"cpu_us": (processor_seconds(pid) - before) / figures["answered"] * 1e6}


def processor_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """Resident memory of one process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@dataclass(frozen=True)
class Read:
    """A job as `GET` answers it."""

    path: str
    body: bytes
    etag: str


def submit(url: str, job: str) -> Read:
    """A new job."""
    request = Request(f"{url}/jobs", job.encode(), {"Content-Type": "application/json"})
    with urlopen(request) as answer:
        path = f"/jobs/{json.load(answer)['job_id']}"
    with urlopen(url + path) as answer:
        return Read(path, answer.read(), answer.headers["ETag"])


def first_answer_seconds() -> float:
    """From the start of the process, on an empty folder, to a 200 of `GET /jobs`."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        with rushes(Path(folder)) as (url, _), urlopen(f"{url}/jobs") as answer:
            assert answer.status == 200
            return time.perf_counter() - started


Server = tuple[str, int]


def measure(ours: Server, fastapi: Server, starlette: Server, job: Read, film: Read) -> dict[str, list[Figures]]:
    """Every row's rounds, by name. The baselines answer with `job`."""
    rounds: defaultdict[str, list[Figures]] = defaultdict(list)

    def once(name: str, server: Server, path: str, *body_and_headers: str) -> None:
        rounds[name].append(load(server[0] + path, server[1], *body_and_headers))

    for _ in range(ROUNDS):
        once("GET /jobs/{id}", ours, job.path)
        once("  FastAPI, response model", fastapi, job.path)
        once("  bare Starlette route", starlette, job.path)
        once("GET, 304", ours, job.path, "", f"If-None-Match: {job.etag}")
        once("GET of a film", ours, film.path)
        once("GET of a film, 304", ours, film.path, "", f"If-None-Match: {film.etag}")
    for _ in range(ROUNDS):
        once("POST /jobs, durable", ours, "/jobs", BODY)
        once("  FastAPI, not stored", fastapi, "/jobs", BODY)
    return rounds


def report(rounds: dict[str, list[Figures]]) -> None:
    """A line each, with the ratio to the baselines that stand under ours."""
    keys = ("per_second", "p50_ms", "p99_ms", "cpu_us", "failed")
    print(f"{'':<27}{'per second':>11}{'p50 ms':>8}{'p99 ms':>8}{'CPU µs':>8}{'failed':>8}   Rushes is")
    ours = 0.0
    for name, figures in rounds.items():
        rate, p50, p99, cpu, failed = (statistics.median(one[key] for one in figures) for key in keys)
        baseline = name.startswith(" ")
        ours = ours if baseline else rate
        ratio = f"   {ours / rate:.2f} of it" if baseline else ""
        print(f"{name:<27}{rate:>11,.0f}{p50:>8.1f}{p99:>8.1f}{cpu:>8.0f}{failed:>8.0f}{ratio}")


def main() -> None:
    """Measure and print."""
    cold = statistics.median(first_answer_seconds() for _ in range(COLD_STARTS))
    with tempfile.TemporaryDirectory() as folder, rushes(Path(folder)) as (ours, pid):
        time.sleep(3)
        idle = resident_mb(pid)
        submit(ours, BODY)
        job, film = submit(ours, BODY), submit(ours, FILM)
        with plain("fastapi", job.body) as fastapi, plain("starlette", job.body) as starlette:
            rounds = measure((ours, pid), fastapi, starlette, job, film)
        loaded = resident_mb(pid)
    print(
        f"{CLIENTS} clients, {ROUNDS} interleaved rounds of {SECONDS:.0f} s each, medians; CPU: the server's, a request"
    )
    print(f"a job has {len(job.body):,} bytes, a film's has {len(film.body):,}\n")
    report(rounds)
    print(f"\nstart of the process to the first answer: {cold:.2f} s (goal: under 1.5), median of {COLD_STARTS}")
    print(f"resident memory: {idle:.0f} MB idle (goal: under 90), {loaded:.0f} MB after the load")


if __name__ == "__main__":
    main()
