"""The `rushes` command. Heavy imports wait until a command needs them."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from control_plane import logs
from control_plane.cli import jobs, owner
from control_plane.cli.endpoint import endpoint
from control_plane.cli.words import ApiError, Exit, UsageError, fail, say, wrong_settings
from control_plane.settings import Settings
from shared.errors import RushesError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="AI-video jobs on pay-per-second GPUs.",
    epilog="Commands about jobs speak to RUSHES_URL with RUSHES_API_KEY, else to the server of this folder. They end "
    "with 0: done, 1: a job failed, 2: wrong usage, 3: the server refused or does not answer, 4: no time left to wait.",
)


@app.callback()
def rushes() -> None:
    """Rushes."""


@app.command(rich_help_panel="This server")
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; HOST or 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; PORT or 8000. 0 takes a free one.")] = None,
) -> None:
    """Run the control plane (and the built-in endpoint, unless RUNPOD_ENDPOINT is set)."""
    settings = _settings(host=host, port=port)
    logs.configure(settings.log_level, settings.log_format)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    from control_plane.cli.serving import run

    try:
        run(settings)
    except (RushesError, OSError) as error:
        fail(str(error))


@app.command(rich_help_panel="This server")
def openapi() -> None:
    """Print the API's description (OpenAPI 3.1)."""
    from control_plane.app import create_app

    description = create_app(Settings.model_construct(), base_url="http://127.0.0.1:8000").openapi()
    sys.stdout.write(json.dumps(description, indent=2, ensure_ascii=False) + "\n")


@app.command(rich_help_panel="This server")
def backup(
    file: Annotated[Path | None, typer.Argument(help="A new file; DATA_DIR/backups/rushes-<time>.db.")] = None,
) -> None:
    """Copy the database into one file, also while Rushes is running."""
    settings = _settings()
    from control_plane.jobs.backup import back_up

    named = f"rushes-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.db"
    target = file or settings.data_dir / "backups" / named
    try:
        size = back_up(settings.database, target)
    except (RushesError, OSError) as error:
        fail(str(error))
    sys.stdout.write(f"{target}: {size:,} bytes\n")


@app.command(rich_help_panel="This server")
def doctor() -> None:
    """Check settings, disk, database, store and endpoint, and say how to mend what is wrong."""
    from control_plane.cli.doctor import Finding, examine

    try:
        found = examine(Settings())
    except ValidationError as wrong:
        found = iter([Finding("settings", False, sentence) for sentence in wrong_settings(wrong)])
    all_is_well = True
    for finding in found:
        sys.stdout.write(f"{finding}\n")
        sys.stdout.flush()
        all_is_well &= finding.ok
    raise typer.Exit(0 if all_is_well else 1)


def _settings(**given: str | int | None) -> Settings:
    named = {name: value for name, value in given.items() if value is not None}
    try:
        return Settings(**named)  # type: ignore[arg-type] # pydantic checks them
    except ValidationError as wrong:
        for sentence in wrong_settings(wrong):
            say(sentence)
        raise typer.Exit(2) from None


_OF_JOBS: dict[str, Callable[..., None]] = {
    "submit": jobs.submit, "watch": jobs.watch, "list": jobs.listing, "show": jobs.show, "download": jobs.fetch,
    "cancel": jobs.cancel, "retry": jobs.retry, "delete": jobs.delete, "estimate": jobs.estimate,
}  # fmt: skip
_OF_THE_OWNER: dict[str, Callable[..., None]] = {"budget": owner.budget, "models": owner.models, "twins": owner.twins}
for _panel, _commands in (("Jobs", _OF_JOBS), ("What is yours", _OF_THE_OWNER)):
    for _name, _command in _commands.items():
        app.command(_name, rich_help_panel=_panel)(_command)
app.add_typer(owner.keys, name="keys", rich_help_panel="What is yours")
app.add_typer(endpoint, name="endpoint", rich_help_panel="This server")


def main() -> None:
    """Entry point."""
    try:
        app(prog_name="rushes")
    except UsageError as wrong:
        say(str(wrong))
        sys.exit(Exit.USAGE)
    except ApiError as refused:
        say(str(refused))
        sys.exit(Exit.API)
