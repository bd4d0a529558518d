"""What a command says to the person, and how it ends when it cannot go on."""

from __future__ import annotations

import sys
from enum import IntEnum
from typing import NoReturn

import typer
from pydantic import ValidationError


class Exit(IntEnum):
    """How a command ended."""

    DONE = 0
    JOB_FAILED = 1
    USAGE = 2
    API = 3
    TIMEOUT = 4


class ApiError(Exception):
    """The server said no, or does not answer; the message is a sentence. `code` is the problem's."""

    def __init__(self, message: str, code: str | None = None) -> None:
        self.code = code
        super().__init__(message)


class UsageError(Exception):
    """What was asked for cannot be; the message is a sentence."""


def say(sentence: str) -> None:
    """One line beside the command's own output."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def fail(sentence: str) -> NoReturn:
    """Say it and end the command with exit code 1."""
    say(sentence)
    raise typer.Exit(1)


def wrong_settings(wrong: ValidationError) -> list[str]:
    """One sentence for each setting that is wrong, by its name in the environment."""
    return [f"{_name(error['loc'])}{error['msg'].removeprefix('Value error, ')}" for error in wrong.errors()]


def _name(location: tuple[int | str, ...]) -> str:
    name = ".".join(str(part) for part in location).upper()
    return f"{name}: " if name else ""
