"""A control plane of the demo's own: a child process on a free loopback port, with its data in one folder."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

# None of the owner's settings reach the child (it does not see their .env either): the demo never spends money.
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "CUDA_VISIBLE_DEVICES")


class ServerFailed(Exception):
    """The control plane did not start; the message shows the end of its log."""


@contextmanager
def serving(data_dir: Path, patience: float = 60) -> Iterator[str]:
    """Start the control plane, wait until it can run jobs, and stop it at the end. Yields its base URL."""
    log = data_dir / "server.log"
    env = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    env |= {"DATA_DIR": str(data_dir.resolve()), "LOCAL_WORKERS": str(min(os.cpu_count() or 1, 4))}
    with log.open("wb") as sink:
        # A session of its own: Ctrl-C is for the demo, which first cancels its jobs and then stops the server.
        process = subprocess.Popen(
            [sys.executable, "-m", "control_plane", "serve", "--port", "0"],
            cwd=data_dir,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield wait_until_ready(process, log, time.monotonic() + patience)
    finally:
        stop(process)


def wait_until_ready(process: subprocess.Popen[bytes], log: Path, deadline: float) -> str:
    """Return the base URL once /health says that jobs can run; ServerFailed when the server ends or takes too long."""
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServerFailed(f"The control plane ended at once. The end of {log}:\n{tail(log)}")
        listening = re.search(r"listening on (http://\S+)", log.read_text(encoding="utf-8", errors="replace"))
        if listening and is_ready(listening[1]):
            return listening[1]
        time.sleep(0.1)
    raise ServerFailed(f"The control plane was not ready in time. The end of {log}:\n{tail(log)}")


def is_ready(url: str) -> bool:
    """True when the server answers and has an endpoint to send jobs to."""
    try:
        health = httpx.get(f"{url}/health", timeout=2, trust_env=False).json()
    except (httpx.HTTPError, ValueError):
        return False
    return bool(health["status"] == "ok" and health["runpod_connected"])


def tail(log: Path) -> str:
    """The last lines of a log, indented."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
    return "\n".join(f"    {line}" for line in lines) or "    (empty)"


def stop(process: subprocess.Popen[bytes], patience: float = 20) -> None:
    """Ask the server to stop, and end its whole process group if it does not."""
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
