"""What the commands have in common: the server they speak to, and arguments that most of them take."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import typer
from pydantic import ValidationError

from control_plane.cli.client import Client
from control_plane.cli.words import ApiError, Exit, say, wrong_settings
from control_plane.settings import ClientSettings


def connect(*, tries: int | None = None) -> Client:
    """The server that the settings name. Ends the command where they are wrong."""
    try:
        settings = ClientSettings()
    except ValidationError as wrong:
        for sentence in wrong_settings(wrong):
            say(sentence)
        raise typer.Exit(Exit.USAGE) from None
    return Client(settings) if tries is None else Client(settings, tries=tries)


def recent_ids(incomplete: str) -> list[tuple[str, str]]:
    """For completion: the newest jobs, each with what it is. Silent when the server does not answer."""
    try:
        with connect(tries=1) as client:
            jobs: list[dict[str, Any]] = client.get("/jobs", limit=50)
    except (ApiError, typer.Exit):
        return []
    return [(job["job_id"], f"{job['type']} {job['status']}") for job in jobs if job["job_id"].startswith(incomplete)]


AsJson = Annotated[bool, typer.Option("--json", help="JSON, one object a line; what a pipe gets anyway.")]
Ids = Annotated[list[UUID], typer.Argument(help="Ids of jobs.", autocompletion=recent_ids)]
