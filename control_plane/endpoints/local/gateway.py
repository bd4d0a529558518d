"""The HTTP server of the built-in endpoint: both sides of the queue on one loopback port, in the plane's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from control_plane.endpoints.local.client_api import ClientApi
from control_plane.endpoints.local.queue import JobQueue
from control_plane.endpoints.local.worker_api import WorkerApi

ENDPOINT_ID = "local"
_DRAIN_SECONDS = 2


class Gateway:
    """Opens a free port at once and serves it until `aclose`. The keys are new in every life."""

    def __init__(self, queue: JobQueue, worker_counts: Callable[[], dict[str, int]]) -> None:
        self.client_key = secrets.token_urlsafe(32)
        self.worker_key = secrets.token_urlsafe(32)
        self._workers = WorkerApi(queue)
        self._socket = _listen()
        self.base_url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v2/{ENDPOINT_ID}"
        routes = ClientApi(queue, worker_counts).routes(self.client_key, ENDPOINT_ID)
        routes += self._workers.routes(self.worker_key, ENDPOINT_ID)
        self._server = _Server(
            uvicorn.Config(
                Starlette(routes=routes),
                http=_QuietProtocol,
                ws="none",
                lifespan="off",
                proxy_headers=False,
                log_config=None,
                # Longer than any client keeps an idle connection: a /run must not meet one that we are just closing.
                timeout_keep_alive=75,
                timeout_graceful_shutdown=_DRAIN_SECONDS,
            )
        )
        self._serving = asyncio.get_running_loop().create_task(self._server.serve(sockets=[self._socket]))

    def end_polls(self) -> None:
        """Answer every worker's poll at once from now on."""
        self._workers.end_polls()

    async def aclose(self) -> None:
        """Answer what is under way, then close the port."""
        self._server.should_exit = True
        await self._serving


def _listen() -> socket.socket:
    """A free loopback port. The protocol is named, or asyncio would leave Nagle's delay of 40 ms an answer on."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


class _QuietProtocol(HttpToolsProtocol):
    """Workers poll all day: their requests have no place in the owner's access log."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - passed through
        super().__init__(*args, **kwargs)
        self.access_log = False


class _Server(uvicorn.Server):
    """Signals belong to the program we run in."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
