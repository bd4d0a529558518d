"""The lock that every worker of one life holds with us, so that the next life can tell when the last of them is gone.

`flock` belongs to the open file description, which a child inherits with the descriptor: the lock is free only when we
and all processes that got the descriptor are dead. (Source: flock(2).)
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path

_LOOK_AGAIN_SECONDS = 0.1


async def acquire(path: Path) -> int:
    """Wait until nobody holds the lock, take it and return its descriptor; closing that gives our share back."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while not _locked(fd):
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
