"""Submissions a second and reads a second, against a plain FastAPI route in the same run.

    make bench

A submission is on the disk (`synchronous=FULL`) before it is answered; the plain route stores nothing. Rounds are
interleaved, so that a machine that slows down slows both; the median of each is printed with the ratio.
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
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

CLIENTS, SECONDS, ROUNDS = 32, 4.0, 3
BODY = '{"type":"TTS","params":{"text":"hello"}}'
Figures = dict[str, float]


@contextlib.contextmanager
def rushes() -> Iterator[tuple[str, int]]:
    """The real server, and its process id. Two jobs go to its worker, the rest wait in the table."""
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w+") as log:
        environment = os.environ | {"DATA_DIR": folder, "MAX_IN_FLIGHT": "1"}
        command = [sys.executable, "-m", "control_plane", "serve", "--port", "0"]
        process = subprocess.Popen(command, env=environment, stderr=log, stdout=log)
        try:
            yield _announced(Path(folder) / "log"), process.pid
        finally:
            process.terminate()
            process.wait()


def _announced(log: Path) -> str:
    for _ in range(500):
        if found := re.search(r"listening on (\S+)\n", log.read_text()):
            return found[1]
        time.sleep(0.02)
    raise SystemExit(log.read_text())


@contextlib.contextmanager
def plain() -> Iterator[tuple[str, int]]:
    """The baseline, by the same uvicorn."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "benchmarks.plain:app", "--port", str(port), "--no-access-log"]
    process = subprocess.Popen([*command, "--log-level", "error"])
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


def load(url: str, body: str | None = None) -> Figures:
    """One round of load from a process of its own."""
    command = [sys.executable, "-m", "benchmarks.load", url, str(CLIENTS), str(SECONDS), *([body] if body else [])]
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


def row(name: str, ours: list[Figures], base: list[Figures]) -> None:
    """One line: medians and their ratio."""
    mine, theirs = (statistics.median(f["per_second"] for f in figures) for figures in (ours, base))
    p50, p99 = (statistics.median(f[key] for f in ours) for key in ("p50_ms", "p99_ms"))
    failed = sum(f["failed"] for f in ours + base)
    print(f"{name:<22}{mine:>9,.0f}/s{theirs:>9,.0f}/s{mine / theirs:>8.2f}{p50:>9.1f}{p99:>9.1f}{failed:>8.0f}")


def main() -> None:
    """Measure and print."""
    with rushes() as (ours, pid), plain() as (base, _):
        idle = resident_mb(pid)
        job_id = submit(ours)
        writes, reads = ([], []), ([], [])  # type: ignore[var-annotated]
        for _ in range(ROUNDS):
            reads[0].append(load(f"{ours}/jobs/{job_id}"))
            reads[1].append(load(f"{base}/jobs/{job_id}"))
            writes[0].append(load(f"{ours}/jobs", BODY))
            writes[1].append(load(f"{base}/jobs", BODY))
        print(f"{CLIENTS} clients, {ROUNDS} rounds of {SECONDS:.0f} s each, medians; baseline: a plain FastAPI route\n")
        print(f"{'':<22}{'Rushes':>11}{'plain':>11}{'ratio':>8}{'p50 ms':>9}{'p99 ms':>9}{'failed':>8}")
        row("POST /jobs (durable)", *writes)
        row("GET /jobs/{id}", *reads)
        print(f"\nresident memory: {idle:.0f} MB idle, {resident_mb(pid):.0f} MB after the load")


if __name__ == "__main__":
    main()
