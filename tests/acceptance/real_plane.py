"""`python -m control_plane serve` as a person runs it: a process of its own, with its real workers."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.conftest import wait_until


@dataclass
class RealPlane:
    """A running server and a client for it."""

    process: subprocess.Popen[str]
    client: httpx.Client
    log: Path

    def submit(self, job_type: str, **params: Any) -> str:
        """A new job's id."""
        answer = self.client.post("/jobs", json={"type": job_type, "params": params})
        assert answer.status_code == 202, answer.text
        job_id: str = answer.json()["job_id"]
        return job_id

    def get(self, job_id: str) -> dict[str, Any]:
        """GET /jobs/{id}."""
        job: dict[str, Any] = self.client.get(f"/jobs/{job_id}").json()
        return job

    def until(self, job_id: str, *statuses: str, seconds: float = 90) -> dict[str, Any]:
        """Wait for the job to have one of these statuses."""

        def reached() -> dict[str, Any] | None:
            job = self.get(job_id)
            return job if job["status"] in statuses else None

        return wait_until(reached, f"{' or '.join(statuses)} of {self.get(job_id)}", seconds)

    def until_busy(self, job_id: str, progress: int = 8) -> dict[str, Any]:
        """Wait for the job to be well under way."""

        def busy() -> dict[str, Any] | None:
            job = self.get(job_id)
            assert job["status"] in ("QUEUED", "RUNNING"), job
            return job if job["progress"] >= progress else None

        return wait_until(busy, f"progress of {self.get(job_id)}", 60)

    def processes(self) -> list[psutil.Process]:
        """Everything that lives below the server."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def job_processes(self) -> list[psutil.Process]:
        """The processes that do the work of jobs, and what they started."""
        found = [process for process in self.processes() if "gpu_worker.job_process" in _command(process)]
        return found + [child for process in found for child in process.children(recursive=True)]

    def kill(self) -> None:
        """The power of SIGKILL: no handler runs."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Ctrl-C, and everything is gone in good time."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=20)


def _command(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""


def all_gone(processes: list[psutil.Process]) -> bool:
    """None of them lives any more; a zombie does not."""
    return not [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


@contextlib.contextmanager
def real_plane(data_dir: Path, port: int = 0, **environment: str) -> Iterator[RealPlane]:
    """Start a server on `data_dir`; short leases, so that a lost worker is noticed in seconds."""
    log = data_dir.with_name(f"{data_dir.name}-{time.monotonic_ns()}.log")
    values = {"DATA_DIR": str(data_dir), "CLAIM_LEASE_SECONDS": "3", "CLOCK_SKEW_SECONDS": "0.5", **environment}
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "control_plane", "serve", "--port", str(port)],
            env=os.environ | values,  # noqa: TID251 - a child of ours, as a shell would start it
            stderr=output,
            stdout=output,
            text=True,
        )

    def address() -> str | None:
        assert process.poll() is None, log.read_text()
        found = re.search(r"listening on (\S+)\n", log.read_text())
        return found[1] if found else None

    url = wait_until(address, "the server's address")
    with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        plane = RealPlane(process, client, log)
        wait_until(lambda: _connected(client), f"health: {log.read_text()}")
        try:
            yield plane
        finally:
            plane.stop()


def _connected(client: httpx.Client) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return bool(client.get("/health").json()["runpod_connected"])
    return False
