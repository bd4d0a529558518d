"""`key=value` and files of JSON as a job's params; local files named in them become uploads."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from control_plane.cli.words import UsageError

Params = dict[str, Any]
Turn = Callable[[Path], str]
PLACEHOLDER = "storage://uploads/00000000-0000-0000-0000-000000000000/file"
"""What stands for a file that is not uploaded yet, when the server is asked whether the rest is right."""
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://|job:", re.IGNORECASE)
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_KEY = re.compile(r"[^.\[\]]+(?:\.[^.\[\]]+|\[\d+\])*")


def parse(pairs: list[str], stored: Params | None = None) -> Params:
    """`stored`, with each pair put in its place: `output.resolution=720p`, `clips[0].url=a.mp4`, `seed:=7` (JSON).

    A value that begins as a list or an object and is one is read as JSON too. Numbers need no `:=`: the server reads
    them from their text. Raises UsageError.
    """
    params: Params = dict(stored or {})
    for pair in pairs:
        key, found, text = pair.partition("=")
        if not found or not _KEY.fullmatch(key.removesuffix(":")):
            raise UsageError(f"{pair!r} is not key=value")
        _put(params, key.removesuffix(":"), _value(text, is_json=key.endswith(":")))
    return params


def _value(text: str, *, is_json: bool) -> Any:  # noqa: ANN401 - any JSON
    if is_json or text[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except ValueError as wrong:
            if is_json:
                raise UsageError(f"{text!r} is not JSON: {wrong}") from wrong
    return text


def _put(params: Params, key: str, value: object) -> None:
    steps = [int(index) if index else name for name, index in _STEP.findall(key)]
    inside: Any = params
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if isinstance(step, int) != isinstance(inside, list) or (isinstance(step, int) and step > len(inside)):
            raise UsageError(f"{key}: there is no such place; lists are filled from [0] on")
        if isinstance(step, int) and step == len(inside):
            inside.append(None)
        fresh: Any = value if following is None else [] if isinstance(following, int) else {}
        there = inside[step] if isinstance(step, int) else inside.get(step)
        if following is None or there is None:
            inside[step] = fresh
        inside = inside[step]


def read(file: str, standard_input: Callable[[], str]) -> Params:
    """The params in a JSON file, or in what comes in where the file is `-`. Raises UsageError."""
    try:
        text = standard_input() if file == "-" else Path(file).read_text(encoding="utf-8")
        found = json.loads(text)
    except OSError as wrong:
        raise UsageError(f"{file}: {wrong.strerror}") from wrong
    except ValueError as wrong:
        raise UsageError(f"{file} is not JSON: {wrong}") from wrong
    if not isinstance(found, dict):
        raise UsageError(f"{file}: the params of a job are an object")
    return found


def turn_files(value: Any, turn: Turn, folder: Path = Path(), field: str = "") -> Any:  # noqa: ANN401 - any JSON
    """A copy of params in which every local file, looked for in `folder`, is what `turn` makes of it.

    Files stand where addresses do: in fields that end with `url`, and in `images`. Raises UsageError for a file that is
    not there.
    """
    if isinstance(value, dict):
        return {name: turn_files(part, turn, folder, name) for name, part in value.items()}
    if isinstance(value, list):
        return [turn_files(part, turn, folder, field) for part in value]
    if not isinstance(value, str) or not field.endswith(("url", "images")) or _ADDRESS.match(value):
        return value
    file = folder / Path(value).expanduser()
    if not file.is_file():
        raise UsageError(f"{field}: there is no file {value}, and it is no https://, storage://, s3:// or job: address")
    return turn(file)
