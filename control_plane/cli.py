"""The `rushes` command. Heavy imports wait until a command needs them."""

from __future__ import annotations

import json
import logging
import socket
import sys
from typing import Annotated

import typer
from pydantic import ValidationError

from control_plane.settings import Settings
from shared.errors import RushesError

app = typer.Typer(no_args_is_help=True, add_completion=False, help="AI-video jobs on pay-per-second GPUs.")

GRACE_SECONDS = 3


@app.callback()
def rushes() -> None:
    """Rushes."""


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; HOST or 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; PORT or 8000. 0 takes a free one.")] = None,
) -> None:
    """Run the control plane (and the built-in endpoint, unless RUNPOD_ENDPOINT is set)."""
    settings = _settings(host, port)
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        _run(settings)
    except (RushesError, OSError) as error:
        _fail(str(error))


@app.command()
def openapi() -> None:
    """Print the API's description (OpenAPI 3.1)."""
    from control_plane.app import create_app

    description = create_app(Settings.model_construct(), base_url="http://127.0.0.1:8000").openapi()
    sys.stdout.write(json.dumps(description, indent=2, ensure_ascii=False) + "\n")


def _settings(host: str | None, port: int | None) -> Settings:
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type] # pydantic checks them
    except ValidationError as wrong:
        for error in wrong.errors():
            name = ".".join(str(part) for part in error["loc"]).upper()
            _say(f"{name + ': ' if name else ''}{error['msg'].removeprefix('Value error, ')}")
        raise typer.Exit(2) from None


def _run(settings: Settings) -> None:
    import uvicorn

    from control_plane.app import create_app
    from control_plane.jobs.database import OwnershipLock

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                _say(f"Rushes is listening on {base_url}")

    OwnershipLock(settings.database).release()  # a second server is told so in words, before anything starts
    listening = _listen(settings.host, settings.port)
    base_url = _base_url(listening)
    config = uvicorn.Config(
        create_app(settings, base_url=base_url),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = Server(config)
    server.run(sockets=[listening])
    if not server.started:
        raise typer.Exit(1)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        _fail(f"Cannot listen on {host}:{port}: {error.strerror}. Is Rushes running already? Set PORT to another.")
    listening.listen(2048)
    return listening


def _base_url(listening: socket.socket) -> str:
    """Our own address as processes of this machine reach it."""
    host, port = listening.getsockname()[:2]
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - compared, not bound
    return f"http://{reachable}:{port}"


def _say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def _fail(sentence: str) -> None:
    _say(sentence)
    raise typer.Exit(1)


def main() -> None:
    """Entry point."""
    app()
