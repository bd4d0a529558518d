"""Jobs as they go, for a person at a terminal: a bar each while they fit, else one for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)

MOST_BARS = 16
COLOURS = {"SUCCEEDED": "green", "FAILED": "red", "CANCELED": "yellow"}


class Board:
    """`tell` is given each state; used as a context, it draws beside the command's own output."""

    def __init__(self, ids: list[str]) -> None:
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(), TextColumn("{task.fields[words]}"), console=self._console,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip
        self._tasks: dict[str, TaskID] = {}
        self._statuses: dict[str, str] = dict.fromkeys(ids, "QUEUED")
        self._has_bars = len(ids) <= MOST_BARS
        if not self._has_bars:
            self._tasks[""] = self._progress.add_task(f"{len(ids)} jobs", total=len(ids), words="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def tell(self, state: dict[str, Any]) -> None:
        """Draw one change."""
        self._statuses[state["job_id"]] = state["status"]
        if self._has_bars:
            self._tell_one(state)
            return
        counts = Counter(self._statuses.values())
        words = ", ".join(f"{count} {status.lower()}" for status, count in counts.items())
        self._progress.update(self._tasks[""], completed=sum(counts[status] for status in COLOURS), words=words)

    def _tell_one(self, state: dict[str, Any]) -> None:
        job_id, status = state["job_id"], state["status"]
        if job_id not in self._tasks:
            name = f"[bold]{state['type']:<10}[/] {job_id[:8]}…{job_id[-4:]}"
            self._tasks[job_id] = self._progress.add_task(name, total=100, words="")
        colour = COLOURS.get(status)
        said = escape(state["stage_message"] or "")
        words = f"[{colour}]{said}[/]" if colour else said
        self._progress.update(self._tasks[job_id], completed=state["progress"], words=words)
        if colour:
            self._progress.stop_task(self._tasks[job_id])


class Transfers:
    """Bars of files on their way. Without a terminal nothing is drawn."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=24), DownloadColumn(), TransferSpeedColumn(),
            console=console, disable=not console.is_terminal, redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def file(self, file: Path) -> Callable[[int], object]:
        """A bar for a file here; call what comes back with the bytes that moved."""
        return self.named(file.name, file.stat().st_size)

    def named(self, name: str, size: int) -> Callable[[int], object]:
        """A bar for a file of so many bytes."""
        task = self._progress.add_task(escape(name), total=size)
        return lambda moved: self._progress.advance(task, moved)
