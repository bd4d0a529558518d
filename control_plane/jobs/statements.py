"""Named SQL statements, read once from `sql/*.sql`: `-- name: <name>` heads each one."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


@cache
def statements() -> dict[str, str]:
    """Every named statement; a name used twice is a mistake of ours and raises ValueError."""
    found: dict[str, str] = {}
    for file in sorted((files("control_plane.jobs") / "sql").iterdir(), key=lambda f: f.name):
        parts = _NAME.split(file.read_text(encoding="utf-8"))
        for name, body in zip(parts[1::2], parts[2::2], strict=True):
            if name in found:
                msg = f"two statements are called {name}"
                raise ValueError(msg)
            found[name] = body.strip()
    return found


def sql(name: str) -> str:
    """The statement called `name`."""
    return statements()[name]
