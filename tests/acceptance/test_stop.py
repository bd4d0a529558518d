"""Ctrl-C twice, by who cannot wait."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

from tests.acceptance.real_plane import all_gone, real_plane
from tests.conftest import wait_until


def test_a_second_ctrl_c_ends_everything_at_once(tmp_path: Path) -> None:
    with real_plane(tmp_path / "data") as plane:
        children = plane.processes()
        with plane.client.stream("GET", "/events"):  # which the first one would wait for
            plane.process.send_signal(signal.SIGINT)
            wait_until(lambda: _refuses(plane.client.base_url.port or 0), "an end of listening")
            plane.process.send_signal(signal.SIGINT)
            plane.process.wait(timeout=20)
    wait_until(lambda: all_gone(children), "an end of the workers")


def _refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
