"""Each peer as a running service: its address, and how many jobs it has done. Folders are new, ports free."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import psutil
import redis

WORKERS = str(os.cpu_count() or 1)
"""Celery's own default, processes; for Huey as many threads."""

MEMORY = Path("/dev/shm")
"""Our bucket stands in for one that is elsewhere, so it lies in memory where that can be had; the job table never."""


@dataclass(frozen=True)
class Running:
    """A service that takes jobs, and the processes it consists of, with their children."""

    url: str
    pids: tuple[int, ...]
    done: Callable[[], int]

    def processor_seconds(self) -> float:
        """Used up to now."""
        return processor_seconds(*self.pids)


def processor_seconds(*pids: int) -> float:
    """Used up to now by these processes and their children."""
    parents = [psutil.Process(pid) for pid in pids]
    everyone = [*parents, *(child for parent in parents for child in parent.children(recursive=True))]
    times = [process.cpu_times() for process in everyone]
    return sum(time.user + time.system for time in times)


Peer = Callable[[Path, bool], AbstractContextManager[Running]]
"""Started in a folder; False: nothing takes the jobs, so that intake alone is measured."""


@contextlib.contextmanager
def rushes(folder: Path, working: bool) -> Iterator[Running]:
    """The whole control plane with a no-op endpoint in its process."""
    port = free_port()
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else folder) as bucket:
        mode = "working" if working else "waiting"
        plane = module("benchmarks.peers.noop_plane", str(folder), bucket, str(port), mode)
        with process(folder, plane) as pid:
            wait_for(port, folder)
            yield Running(f"http://127.0.0.1:{port}", (pid,), _counter(folder / "rushes.db", _SUCCEEDED))


@contextlib.contextmanager
def huey(folder: Path, working: bool) -> Iterator[Running]:
    """FastAPI, and a consumer of threads, on one SQLite file."""
    port, file = free_port(), folder / "huey.db"
    environment = {"HUEY_FILE": str(file)}
    # The longest pause between two looks at an empty queue is 10 s by default: shorter is kinder to its figures.
    options = ("--workers", WORKERS, "--max-delay", "0.1", "--quiet")
    consumer = module("huey.bin.huey_consumer", "benchmarks.peers.huey_app.huey", *options)
    with process(folder, _uvicorn("huey_app", port), environment) as pid:
        wait_for(port, folder)
        with process(folder, consumer, environment) if working else contextlib.nullcontext() as worker:
            pids = (pid, worker) if worker else (pid,)
            yield Running(f"http://127.0.0.1:{port}", pids, _counter(file, "SELECT count(*) FROM kv"))


@contextlib.contextmanager
def celery(folder: Path, working: bool) -> Iterator[Running]:
    """FastAPI, a Redis with `appendfsync everysec`, and a worker with one process a core."""
    port, redis_port = free_port(), free_port()
    environment = {"REDIS_URL": f"redis://127.0.0.1:{redis_port}/0"}
    kept = ("--dir", str(folder), "--appendonly", "yes", "--appendfsync", "everysec")
    options = ("worker", "--concurrency", WORKERS, "--loglevel", "ERROR")
    consumer = module("celery", "--app", "benchmarks.peers.celery_app:celery", *options)
    with process(folder, ["redis-server", "--bind", "127.0.0.1", "--port", str(redis_port), *kept]) as kept_by:
        wait_for(redis_port, folder)
        with process(folder, _uvicorn("celery_app", port), environment) as pid:
            wait_for(port, folder)
            with process(folder, consumer, environment) if working else contextlib.nullcontext() as worker:
                client = redis.Redis(port=redis_port)
                pids = (kept_by, pid, worker) if worker else (kept_by, pid)
                yield Running(f"http://127.0.0.1:{port}", pids, lambda: _results(client))
                client.close()


_SUCCEEDED = "SELECT count(*) FROM jobs WHERE status = 'SUCCEEDED'"


def _counter(database: Path, query: str) -> Callable[[], int]:
    def count() -> int:
        with contextlib.closing(sqlite3.connect(database, timeout=30)) as reader:
            found: int = reader.execute(query).fetchone()[0]
            return found

    return count


def _results(client: redis.Redis) -> int:
    return sum(1 for _ in client.scan_iter("celery-task-meta-*", count=10_000))


def module(*arguments: str) -> list[str]:
    return [sys.executable, "-m", *arguments]


def _uvicorn(app: str, port: int) -> list[str]:
    return module("uvicorn", f"benchmarks.peers.{app}:app", "--port", str(port), "--no-access-log")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@contextlib.contextmanager
def process(folder: Path, command: list[str], environment: dict[str, str] | None = None) -> Iterator[int]:
    """A child, by its process id, ended at the end; what it says goes to the folder's log."""
    with (folder / "log").open("ab") as log:
        child = subprocess.Popen(command, env=os.environ | (environment or {}), stdout=log, stderr=log)
    try:
        yield child.pid
    finally:
        child.terminate()
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def wait_for(port: int, folder: Path) -> None:
    for _ in range(1000):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.1):
            return
        time.sleep(0.02)
    raise SystemExit((folder / "log").read_text())
