"""Answers on the terminal: tables for people; JSON, one object a line, for pipes and where `--json` asks for it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from control_plane.cli.words import say
from control_plane.clock import spoken

Row = dict[str, Any]
COLOURS = {"SUCCEEDED": "green", "FAILED": "red", "CANCELED": "yellow", "RUNNING": "cyan"}


def plain(text: str) -> str:
    """What others wrote, with nothing in it that this terminal would obey."""
    return escape("".join(char for char in text if char.isprintable() or char == "\n"))


def is_for_a_person(*, as_json: bool) -> bool:
    """Is there somebody at a terminal who has not asked for JSON?"""
    return not as_json and sys.stdout.isatty()


def line(value: object) -> None:
    """One line of JSON, at once: what reads it may be waiting for it."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def rows(found: Iterable[Row], columns: dict[str, Callable[[Row], str]], *, as_json: bool) -> None:
    """A table with these columns, or a line of JSON for each row."""
    if not is_for_a_person(as_json=as_json):
        for row in found:
            line(row)
        return
    found = list(found)
    if not found:
        say("There are none")
        return
    table = Table(box=None, pad_edge=False)
    for number, name in enumerate(columns):
        table.add_column(name, overflow="fold", no_wrap=number == 0)  # an id in two halves cannot be copied
    for row in found:
        table.add_row(*(column(row) for column in columns.values()))
    Console().print(table)


def facts(found: Row, lines: dict[str, str | None], *, as_json: bool) -> None:
    """What there is to know of one thing, a fact a line; or all of it as a line of JSON."""
    if not is_for_a_person(as_json=as_json):
        line(found)
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, words in lines.items():
        if words:
            table.add_row(name, words)
    Console().print(table)


def usd(amount: float | None) -> str:
    """Dollars for a person; a dash where there is no such amount."""
    return "—" if amount is None else f"${amount:,.2f}" if amount >= 1 or amount == 0 else f"${amount:.4f}"


def status(job: Row) -> str:
    """With its colour."""
    colour = COLOURS.get(job["status"])
    return f"[{colour}]{job['status']}[/]" if colour else str(job["status"])


def ago(when: str | None) -> str:
    """How long since a time of the server."""
    if when is None:
        return "never"
    seconds = (datetime.now(UTC) - datetime.fromisoformat(when)).total_seconds()
    return f"{spoken(max(seconds, 0))} ago"


JOB_COLUMNS: dict[str, Callable[[Row], str]] = {
    "job": lambda job: str(job["job_id"]),
    "type": lambda job: str(job["type"]),
    "status": status,
    "%": lambda job: str(job["progress"]),
    "what": lambda job: plain(str(job["stage_message"])),
    "cost": lambda job: usd(job["cost_usd"]),
    "made": lambda job: ago(job["created_at"]),
}


def job_facts(job: Row) -> dict[str, str | None]:
    """Of one job, for a person."""
    expected = job["expected_finish"]
    place = job["queue_position"]
    return {
        "job": job["job_id"],
        "type": job["type"],
        "status": f"{status(job)} {job['progress']} %",
        "what": plain(job["stage_message"]),
        "in line": place and str(place),
        "done by": expected and f"{_time(expected['earliest'])} to {_time(expected['latest'])}",
        "error": job["error_code"] and f"{job['error_code']}: {plain(job['error'] or '')}",
        "made": ago(job["created_at"]),
        "attempts": str(job["attempts"]),
        "cost": usd(job["cost_usd"]),
        "params": plain(json.dumps(_given(job["params"]), ensure_ascii=False, indent=2)),
        **{f"output {number}": plain(url) for number, url in enumerate(job["output_urls"], 1)},
    }


def _given(params: Row) -> Row:
    return {name: value for name, value in params.items() if value is not None}


def _time(when: str) -> str:
    return f"{datetime.fromisoformat(when).astimezone():%H:%M:%S}"
