"""`rushes serve`: uvicorn on a socket of our own, so that a taken port is a sentence and port 0 is known."""

from __future__ import annotations

import gc
import logging
import os
import socket

import typer
import uvicorn

from control_plane import telemetry
from control_plane.api.health import VERSION
from control_plane.app import create_app
from control_plane.cli.words import fail, say
from control_plane.jobs.database import OwnershipLock
from control_plane.settings import Settings

GRACE_SECONDS = 3
WS_LARGEST_MESSAGE = 4096
"""Bytes. Nothing that clients say in a socket is listened to."""
COLLECT_AFTER = (20_000, 20, 50)


def run(settings: Settings) -> None:
    """Until it is told to stop. Raises CannotReport."""
    targets = telemetry.Targets(
        VERSION, settings.sentry_dsn, settings.otel_exporter_otlp_endpoint, settings.otel_exporter_otlp_headers
    )
    with telemetry.reporting(targets):
        _serve(settings)


def _serve(settings: Settings) -> None:

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                say(f"Rushes is listening on {base_url}")

    OwnershipLock(settings.database).release()  # a second server is told so in words, before anything starts
    listening = _listen(settings.host, settings.port)
    base_url = _base_url(listening)
    app = create_app(settings, base_url=base_url)
    spare_the_collector()
    config = uvicorn.Config(
        app,
        log_config=None,  # its lines go where ours go: redacted, and as JSON where that is asked for
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # guesses.py alone asks for the caller's address, and reads the header itself
        timeout_graceful_shutdown=GRACE_SECONDS,
        ws="websockets-sansio",
        ws_max_size=WS_LARGEST_MESSAGE,
    )
    logging.getLogger("uvicorn.error").addFilter(_is_no_refused_socket)
    server = Server(config)
    try:
        server.run(sockets=[listening])
    finally:
        if server.force_exit:
            os._exit(1)  # the second Ctrl-C: nothing was closed, and the table's thread would keep us for ever
    if not server.started:
        raise typer.Exit(1)


def _is_no_refused_socket(record: logging.LogRecord) -> bool:
    """uvicorn 0.54 calls it an error of the application when a socket is answered 401 or 404 instead of opened."""
    return record.msg != "ASGI callable returned without completing handshake."


def spare_the_collector() -> None:
    """What is loaded by now stays for good: looking through it for cycles takes 25 ms every time and finds none.

    Young objects are looked through less often too. Of submissions by 32 clients the slowest hundredth took 30 ms
    without this and 5 ms with it (measured).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only where the protocol is named; uvloop, which a machine may lack, always does.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        fail(f"Cannot listen on {host}:{port}: {error.strerror}. Is Rushes running already? Set PORT to another.")
    listening.listen(2048)
    return listening


def _base_url(listening: socket.socket) -> str:
    """Our own address as processes of this machine reach it."""
    host, port = listening.getsockname()[:2]
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - compared, not bound
    return f"http://{reachable}:{port}"
