"""One worker process: a process group of its own, a lifeline, its share of the lock, and a log file."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

_LOG_LIMIT = 1_000_000


class WorkerProcess:
    """Starts at once; OSError when it cannot. Nothing but `last_words` may be called after `reap`.

    The lifeline is a pipe of which we hold the only writing end: the worker kills its group when it reads end of file,
    so it dies with us even where we are killed.
    """

    def __init__(
        self, worker_id: str, command: list[str], env: Mapping[str, str], lock_fd: int, log: Path, started_at: float
    ) -> None:
        self.id = worker_id
        self.started_at = started_at
        self.dismissed = False
        self._log = log
        lifeline, self._lifeline = os.pipe()
        try:
            self._process = _start(command, env, lifeline, lock_fd, log)
        except OSError:
            self._cut_lifeline()
            raise
        finally:
            os.close(lifeline)

    def has_exited(self) -> bool:
        """True once the process is dead. It stays unreaped, so that its group's number stays ours."""
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def dismiss(self, number: signal.Signals) -> None:
        """End the process and its group with a signal, on purpose."""
        self.dismissed = True
        self._cut_lifeline()
        self._signal(number)

    def reap(self) -> int:
        """Kill what is left of an exited process' group, such as the SDK's heartbeat, and return the exit code."""
        self._signal(signal.SIGKILL)
        self._cut_lifeline()
        return self._process.wait()

    def last_words(self) -> str:
        """The last line it wrote."""
        with self._log.open("rb") as file:
            file.seek(max(0, self._log.stat().st_size - 2000))
            lines = file.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else ""

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return

    def _cut_lifeline(self) -> None:
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1


def _start(
    command: list[str], env: Mapping[str, str], lifeline: int, lock_fd: int, log: Path
) -> subprocess.Popen[bytes]:
    if log.exists() and log.stat().st_size > _LOG_LIMIT:
        log.replace(log.with_suffix(".old"))
    # A file and not a pipe: nobody has to read it for the worker to go on.
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            env={**env, "RUSHES_LIFELINE_FD": str(lifeline), "RUSHES_LOCK_FD": str(lock_fd)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(lifeline, lock_fd),
            start_new_session=True,
        )
