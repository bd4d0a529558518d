"""Log lines say what they are about, from wherever in a task they are written."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from control_plane import logs
from tests.acceptance.real_plane import real_plane
from tests.conftest import wait_until


@contextlib.contextmanager
def configured(form: Literal["text", "json"]) -> Iterator[io.StringIO]:
    """What a process that logs this way writes to standard error."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = []  # pytest's, which would else be closed
    with contextlib.redirect_stderr(io.StringIO()) as written:
        logs.configure("INFO", form)
        try:
            yield written
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)


async def test_json_lines_name_the_attempt_of_their_task_alone() -> None:
    async def attempt(job_id: str, number: int) -> None:
        logs.attempt.set((job_id, number))
        await asyncio.sleep(0)
        logging.getLogger("x").warning("job %s fails", job_id)

    with configured("json") as written:
        await asyncio.gather(attempt("a", 1), attempt("b", 2))
        logging.getLogger("x").warning("nobody's")
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [(line.get("job_id"), line.get("attempt")) for line in lines] == [("a", 1), ("b", 2), (None, None)]
    assert {"level", "logger", "message", "at"} <= lines[0].keys()


def test_an_exception_stays_on_its_line() -> None:
    with configured("json") as written:
        try:
            int("two\nlines")
        except ValueError:
            logging.getLogger("x").exception("wrong")
    (line,) = written.getvalue().splitlines()
    assert "ValueError: invalid literal" in json.loads(line)["error"]


def test_people_read_lines() -> None:
    with configured("text") as written:
        logging.getLogger("x").warning("hello")
    assert written.getvalue().endswith("WARNING x: hello\n")


def test_the_web_servers_own_lines_are_ours_too(tmp_path: Path) -> None:
    with real_plane(tmp_path / "data", LOG_FORMAT="json") as plane:
        with socket.create_connection((plane.client.base_url.host, plane.client.base_url.port)) as caller:
            caller.sendall(b"no HTTP at all\r\n\r\n")
        wait_until(lambda: "Invalid HTTP request" in plane.log.read_text(), "uvicorn's complaint")
        lines = [json.loads(line) for line in plane.log.read_text().splitlines() if not line.startswith("Rushes is")]
    assert "uvicorn.error" in {line["logger"] for line in lines}
