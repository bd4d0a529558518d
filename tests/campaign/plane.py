"""The control plane as a process of its own that can be killed at any moment and is back at once.

A parent imports everything and forks a child for each life, so a restart costs no imports. The child is the whole of
`create_app`, on a real port, a real SQLite file and a real folder as store. It arms named fault points, if told to, and
kills itself there with SIGKILL, which no handler survives. It dies with its parent's standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import signal
import socket
import sqlite3
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self
from unittest.mock import patch

import httpx
import uvicorn

import control_plane
from control_plane import app, faults
from control_plane.dispatch.limits import Limits
from control_plane.endpoints.runpod import RunPodEndpoint
from control_plane.settings import Settings
from gpu_worker import lifeline
from shared.storage.open import open_store
from tests.campaign.ledger import USD_PER_SECOND
from tests.campaign.trouble import DISK_FULL, UNREACHABLE, StoreTrouble

API_KEY = "campaign"
REACHED = "reached"
"""The file in which a life that ended at its fault point leaves the point's name."""

_FAULT = re.compile(r'\bfault\("(\w+)"\)')


def fault_points() -> list[str]:
    """Every fault point in the control plane's source."""
    sources = Path(control_plane.__path__[0]).rglob("*.py")
    return sorted({name for source in sources for name in _FAULT.findall(source.read_text(encoding="utf-8"))})


@dataclass(frozen=True)
class Life:
    """How one life is to be lived. Times in seconds; it ends at the `passes`-th passing of any of `points`."""

    folder: str
    port: int
    public_url: str
    endpoint_url: str
    endpoint_key: str
    skew: float
    start_within: float
    in_flight: int
    max_attempts: int
    number: int = 0
    points: tuple[str, ...] = ()
    passes: int = 1

    def settings(self) -> Settings:
        """As an owner would set them, but for the folder."""
        return Settings(
            _env_file=None,
            data_dir=Path(self.folder) / "data",
            public_url=self.public_url,
            api_key=API_KEY,
            max_in_flight=self.in_flight,
            gpu_usd_per_second=USD_PER_SECOND,
        )

    def limits(self) -> Limits:
        """As they are, but shorter."""
        return Limits(
            skew=self.skew,
            unknown_grace=0.5,
            start_within=self.start_within,
            look_every=0.5,
            look_every_with_callbacks=3.0,
            max_attempts=self.max_attempts,
            rest=0.2,
        )


class PlaneProcess:
    """The plane as the driver holds it: `start` a life, wait for its end, `kill` it."""

    def __init__(self, life: Life, log: Path) -> None:
        self._life = life
        self._log = log
        self._pid: int | None = None
        self._ended: asyncio.Future[None] | None = None
        self.lives = 0

    async def __aenter__(self) -> Self:
        with self._log.open("ab") as log:
            self._parent = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.campaign.plane",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log, env={},
                cwd=Path(__file__).parents[2],
            )  # fmt: skip
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()
        assert self._parent.stdin is not None
        self._parent.stdin.close()
        await self._parent.wait()

    async def start(self, points: Iterable[str] = (), passes: int = 1) -> None:
        """Begin a life, to end at the first of the fault points that it reaches."""
        assert self._parent.stdin is not None
        self.lives += 1
        (Path(self._life.folder) / REACHED).unlink(missing_ok=True)
        life = asdict(self._life) | {"number": self.lives, "points": [*points], "passes": passes}
        self._parent.stdin.write(json.dumps(life).encode() + b"\n")
        self._pid = await self._read()
        self._ended = asyncio.ensure_future(self._wait())

    async def ends_within(self, seconds: float) -> str | None:
        """The fault point at which the life ended in this time; None while it goes on."""
        assert self._ended is not None
        await asyncio.wait({self._ended}, timeout=seconds)
        if not self._ended.done():
            return None
        reached = Path(self._life.folder) / REACHED
        if not reached.exists():
            raise AssertionError(f"the plane ended by itself: {self._log.read_text()[-2000:]}")
        return reached.read_text()

    async def kill(self) -> None:
        """SIGKILL."""
        if self._pid is not None and self._ended is not None and not self._ended.done():
            with contextlib.suppress(ProcessLookupError):  # it reached its fault point at this very moment
                os.kill(self._pid, signal.SIGKILL)
            await self._ended

    async def _wait(self) -> None:
        await self._read()
        self._pid = None

    async def _read(self) -> int:
        assert self._parent.stdout is not None
        line = await self._parent.stdout.readline()
        if not line:
            raise AssertionError(f"the plane's parent ended: {self._log.read_text()[-2000:]}")
        return int(line)


def free_port() -> tuple[int, socket.socket]:
    """A port for every life, and the socket that keeps others off it between lives."""
    reservation = socket.socket()
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    reservation.bind(("127.0.0.1", 0))
    return reservation.getsockname()[1], reservation


def main() -> None:
    """The parent: a life for each line of input, its pid and its exit status for output."""
    while line := sys.stdin.readline():
        life = Life(**json.loads(line))
        pid = os.fork()
        if pid == 0:
            lifeline.watch(0)
            _live(life)
            os._exit(0)
        _say(pid)
        _say(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def _live(life: Life) -> None:
    logging.basicConfig(level=logging.WARNING, format=f"%(created).3f life {life.number} %(levelname)s %(message)s")
    faults.arm(_Mishaps(life))
    trouble = StoreTrouble(Path(life.folder), life.number)

    def open_troubled_store(**where: Any) -> _TroubledStore:
        return _TroubledStore(open_store(**where), trouble)

    client = httpx.AsyncClient(transport=_Road(Path(life.folder)), timeout=httpx.Timeout(2, connect=1), trust_env=False)
    endpoint = RunPodEndpoint(life.endpoint_url, life.endpoint_key, client)
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.bind(("127.0.0.1", life.port))
    base_url = f"http://127.0.0.1:{life.port}"
    with patch.object(app, "open_store", open_troubled_store):
        plane = app.create_app(life.settings(), base_url=base_url, endpoint=endpoint, limits=life.limits())
        uvicorn.Server(uvicorn.Config(plane, log_config=None, ws="none")).run(sockets=[listening])


class _Mishaps:
    """What happens at fault points: the end at the one that is armed, a full disk while the file says so."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self._left = life.passes
        self._disk_full = Path(life.folder) / DISK_FULL

    def __call__(self, name: str) -> None:
        if name in self._life.points:
            self._left -= 1
            if self._left == 0:
                (Path(self._life.folder) / REACHED).write_text(name)
                os.kill(os.getpid(), signal.SIGKILL)
        if name == "before_commit" and self._disk_full.exists():
            raise sqlite3.OperationalError("database or disk is full")


class _Road(httpx.AsyncHTTPTransport):
    """The way to the endpoint, which can be closed."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._closed = folder / UNREACHABLE

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._closed.exists():
            raise httpx.ConnectError("No route to host", request=request)
        return await super().handle_async_request(request)


class _TroubledStore:
    def __init__(self, store: Any, trouble: StoreTrouble) -> None:
        self._store = store
        self._trouble = trouble

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def get(self, *args: Any) -> Any:
        return self._trouble.call(self._store.get, *args)

    def put_if_absent(self, *args: Any) -> Any:
        return self._trouble.call(self._store.put_if_absent, *args)


if __name__ == "__main__":
    main()
