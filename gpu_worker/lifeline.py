"""Die with whoever started us: the reader of a pipe sees end of file when the last writer is gone, however it went.

The supervisor holds a worker's lifeline, a worker holds the standard input of its job process.
"""

from __future__ import annotations

import os
import signal
import threading


def watch(fd: int) -> None:
    """Kill this process and its group once `fd` reaches end of file, from a thread of its own."""
    threading.Thread(target=_wait_and_die, args=(fd,), name="lifeline", daemon=True).start()


def kill_own_group() -> None:
    """SIGKILL our process group, or only ourselves where we do not lead it: a worker run by hand spares its shell."""
    if os.getpgid(0) == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _wait_and_die(fd: int) -> None:
    while os.read(fd, 4096):
        pass
    kill_own_group()
