"""Follow jobs to their end: a progress bar for each on a terminal, a line for each step elsewhere."""

from __future__ import annotations

import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from client import ApiError, Client, Job
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

FINISHED = ("SUCCEEDED", "FAILED", "CANCELED")
POLL_SECONDS = 0.5


class JobFailed(Exception):
    """A job ended without a result; the message says which and why."""


class Board:
    """Shows jobs while they run. As a context manager it cancels what still runs when the block is left early."""

    def __init__(self, client: Client, console: Console) -> None:
        self._client = client
        self._console = console
        self._labels: dict[str, str] = {}
        self._bars: dict[str, TaskID] = {}
        self._said: dict[str, str] = {}
        self._open: set[str] = set()
        self._started = time.monotonic()
        self._progress = Progress(
            TextColumn("{task.description:<12}"), BarColumn(30), TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(), TextColumn("{task.fields[words]}"), console=console, disable=not console.is_terminal,
        )  # fmt: skip

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._progress.stop()
        for job_id in self._open:
            with suppress(ApiError):  # it ended by itself in the meantime
                self._client.cancel(job_id)

    def add(self, label: str, job_id: str) -> str:
        """Show a job from now on, and return its id."""
        self._labels[job_id] = label
        self._bars[job_id] = self._progress.add_task(label, total=100, words="waiting")
        self._open.add(job_id)
        return job_id

    def wait(self, job_ids: list[str], patience: float = 600) -> list[Job]:
        """Poll until all of these jobs have succeeded; JobFailed as soon as one has not."""
        deadline = time.monotonic() + patience
        self._look()
        while self._open & set(job_ids):
            if time.monotonic() > deadline:
                names = ", ".join(self._labels[job_id] for job_id in self._open)
                raise JobFailed(f"These jobs took longer than {patience:.0f} s: {names}.")
            time.sleep(POLL_SECONDS)
            self._look()
        return [self._client.job(job_id) for job_id in job_ids]

    def _look(self) -> None:
        found = self._client.jobs(sorted(self._open))
        for job_id in sorted(found):  # ids are in order of time
            self._show(job_id, found[job_id])

    def _show(self, job_id: str, job: Job) -> None:
        label, status = self._labels[job_id], job["status"]
        words = "done" if status == "SUCCEEDED" else job.get("stage_message") or job.get("stage") or status.lower()
        self._progress.update(self._bars[job_id], completed=job["progress"], words=words)
        step = job.get("stage") or status
        if not self._console.is_terminal and self._said.get(job_id) != step:
            self._said[job_id] = step
            self._console.print(f"{time.monotonic() - self._started:6.1f} s  {label}: {words}")
        if status in FINISHED:
            self._open.discard(job_id)
        if status in ("FAILED", "CANCELED"):
            raise JobFailed(f"{label} ended as {status}: {job.get('error') or 'no reason was given'}")
