"""Mixed jobs and faults for as long as asked for, on a real server with real workers; then: is anything left over?

Jobs of every kind that runs here, good and bad, canceled and deleted; job processes and workers killed at random.
Measured when nothing runs, once the first quarter is over and at the end: memory, open files, threads and processes of
the server and its workers; and at the end, all jobs deleted, rows, media files and working folders.
"""

from __future__ import annotations

import contextlib
import io
import random
import sqlite3
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from PIL import Image

from tests.acceptance.real_plane import RealPlane, real_plane
from tests.conftest import wait_until

AT_ONCE = 4
WORKERS = 2
FINISHED = ("SUCCEEDED", "FAILED", "CANCELED")
MEMORY_SLACK = 24_000_000
"""Bytes that a process may have more at the end than after the first quarter, whatever the length of the run."""
KEPT = {"events", "ledger", "sweeps"}
"""Outlive their jobs as they should: for RETENTION_EVENT_DAYS, as the account, and for RETENTION_LEFTOVER_DAYS."""
MEDIA = {".mp4", ".wav", ".mp3", ".png", ".jpg", ".webm", ".srt", ".vtt"}


@dataclass(frozen=True)
class Reading:
    """What an idle server and its workers hold."""

    server_bytes: int
    server_files: int
    server_threads: int
    processes: int


@dataclass
class Outcome:
    """What happened, and what is wrong about it."""

    jobs: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    early: Reading | None = None
    late: Reading | None = None
    wrong: list[str] = field(default_factory=list)


class Soak:
    """One run in `folder`."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._chance = random.Random(seed)
        self._open: dict[str, str] = {}
        self._finished: list[tuple[str, str]] = []
        self._outcome = Outcome()
        self._broken = ""

    def run(self, seconds: float) -> Outcome:
        """Raises nothing: what is wrong is in the outcome."""
        temporary = self._folder / "tmp"
        temporary.mkdir()
        with real_plane(self._folder / "data", LOCAL_WORKERS=str(WORKERS), TMPDIR=str(temporary)) as plane:
            picture = self._upload(plane, _picture())
            self._broken = self._upload(plane, b"no picture at all")
            began = time.monotonic()
            while (passed := time.monotonic() - began) < seconds:
                if self._outcome.early is None and passed > seconds / 4:
                    self._outcome.early = self._settled(plane)
                self._step(plane, picture)
            self._outcome.late = self._settled(plane)
            self._delete_all(plane)
            below = plane.processes()
        self._compare()
        self._look_for_remains(temporary, below)
        return self._outcome

    def _upload(self, plane: RealPlane, content: bytes) -> str:
        wanted = {"filename": "a.png", "content_type": "image/png", "bytes": len(content)}
        place = plane.client.post("/uploads", json=wanted).json()
        plane.client.put(place["upload_url"], content=content, headers=place["headers"]).raise_for_status()
        return str(place["url"])

    def _step(self, plane: RealPlane, picture: str) -> None:
        while len(self._open) < AT_ONCE:
            kind, params = self._any_job(picture)
            self._open[plane.submit(kind, **params)] = kind
        dice = self._chance.random()
        if dice < 0.02:
            self._kill(plane, "gpu_worker.job_process")
        elif dice < 0.03:
            self._kill(plane, "gpu_worker.handler")
        elif dice < 0.05:
            self._outcome.faults["cancel"] += 1
            plane.client.post(f"/jobs/{self._chance.choice(list(self._open))}/cancel")
        elif dice < 0.08 and len(self._finished) > 20:
            self._delete_oldest(plane)
        self._gather(plane)
        time.sleep(0.1)

    def _any_job(self, picture: str) -> tuple[str, dict[str, Any]]:
        films = [job for job, kind in self._finished if kind in ("RENDER", "IMG2VID", "EXPORT")]
        film = f"job:{self._chance.choice(films)}" if films else picture
        small = {"resolution": "240p"}
        jobs: list[tuple[str, dict[str, Any]]] = [
            ("RENDER", {"prompt": "Dawn.", "duration": 1, **small}),
            ("IMG2VID", {"image_url": picture, "motion": "zoom_in", "duration": 1, **small}),
            ("TTS", {"text": "Nothing is left over."}),
            ("EXPORT", {"clips": [{"url": film, "duration" if film == picture else "end": 0.5}], "output": small}),
            ("EXPORT", {"clips": [{"url": picture, "duration": 1}], "music": {"url": picture}, "output": small}),
            ("IMG2VID", {"image_url": self._broken, "duration": 1}),
        ]
        return self._chance.choice(jobs)

    def _gather(self, plane: RealPlane) -> None:
        for job_id, kind in list(self._open.items()):
            job = plane.get(job_id)
            if job["status"] in FINISHED:
                del self._open[job_id]
                self._outcome.jobs[f"{kind} {job['status']}"] += 1
                self._finished.append((job_id, kind if job["status"] == "SUCCEEDED" else ""))
                if job["status"] == "FAILED" and ("Traceback" in job["error"] or job["error_code"] == "INTERNAL"):
                    self._outcome.wrong.append(f"{kind}: {job['error']}")

    def _kill(self, plane: RealPlane, module: str) -> None:
        victims = [process for process in plane.processes() if module in _command(process)]
        if victims:
            self._outcome.faults[f"kill {module}"] += 1
            with contextlib.suppress(psutil.NoSuchProcess):
                self._chance.choice(victims).kill()

    def _settled(self, plane: RealPlane) -> Reading:
        def idle() -> bool:
            self._gather(plane)
            return not self._open

        wait_until(idle, f"an end of {self._open}", 180)
        plane.client.get("/jobs")
        server = psutil.Process(plane.process.pid)
        wait_until(lambda: len(server.children()) == WORKERS, "a full set of workers")
        return Reading(server.memory_info().rss, server.num_fds(), server.num_threads(), len(plane.processes()))

    def _delete_oldest(self, plane: RealPlane) -> None:
        oldest = self._finished.pop(0)
        if not self._delete(plane, oldest[0]):
            self._finished.append(oldest)

    def _delete(self, plane: RealPlane, job_id: str) -> bool:
        """False when a job that is not finished needs its output."""
        answer = plane.client.delete(f"/jobs/{job_id}")
        if answer.status_code == 409 and answer.json()["code"] == "INPUT_IN_USE" and self._open:
            return False
        if answer.status_code != 204:
            self._outcome.wrong.append(f"delete: {answer.text}")
        self._outcome.faults["delete"] += 1
        return True

    def _delete_all(self, plane: RealPlane) -> None:
        for job_id, _ in self._finished:
            self._delete(plane, job_id)
        rows = plane.client.get("/jobs").json()
        if rows:
            self._outcome.wrong.append(f"{len(rows)} jobs are still listed")
        with contextlib.suppress(AssertionError):
            wait_until(lambda: not self._media() or None, "an end of the outputs", 30)
        if left := self._media():
            self._outcome.wrong.append(f"{len(left)} outputs are left: {[str(path) for path in left[:5]]}")

    def _media(self) -> list[Path]:
        return [p for p in (self._folder / "data/objects/jobs").rglob("*") if p.suffix in MEDIA]

    def _compare(self) -> None:
        early, late = self._outcome.early, self._outcome.late
        assert early
        assert late
        if late.server_bytes > early.server_bytes + MEMORY_SLACK:
            self._outcome.wrong.append(f"memory grew: {early} to {late}")
        if late.server_files > early.server_files + 4 or late.server_threads > early.server_threads + 4:
            self._outcome.wrong.append(f"files or threads leaked: {early} to {late}")
        if late.processes > early.processes + 2 * WORKERS:  # a job process and its voice start with the first job
            self._outcome.wrong.append(f"processes leaked: {early} to {late}")

    def _look_for_remains(self, temporary: Path, below: list[psutil.Process]) -> None:
        alive = [p for p in below if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
        left = [path.name for path in temporary.iterdir() if any(path.glob("**/*.*"))]
        if alive:
            self._outcome.wrong.append(f"processes outlive the server: {alive}")
        if len(left) > self._outcome.faults["kill gpu_worker.handler"]:
            self._outcome.wrong.append(f"working folders are left: {left}")
        with contextlib.closing(sqlite3.connect(self._folder / "data/rushes.db")) as conn:
            tables = [row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in set(tables) - KEPT:
                if "job_id" in {row[1] for row in conn.execute(f"PRAGMA table_info({table})")}:
                    orphans = conn.execute(
                        f"SELECT count(*) FROM {table} WHERE job_id IS NOT NULL AND job_id NOT IN (SELECT id FROM jobs)"
                    ).fetchone()[0]
                    if orphans:
                        self._outcome.wrong.append(f"{orphans} rows of {table} belong to no job")


def _picture() -> bytes:
    file = io.BytesIO()
    Image.effect_mandelbrot((320, 180), (-2, -1, 1, 1), 50).convert("RGB").save(file, "PNG")
    return file.getvalue()


def _command(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""
