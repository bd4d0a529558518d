"""Addresses that lead nowhere good: the job fails with a sentence, at once, and nothing is left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.acceptance.real_plane import real_plane


class Bad(BaseHTTPRequestHandler):
    """Answers each path with its own kind of trouble."""

    def do_GET(self) -> None:
        match self.path:
            case "/page.png":
                self._answer(200, b"<html>not a picture</html>")
            case "/huge.png":
                self._answer(200, b"", length=10 * 10**9)
            case "/inside.png":
                self.send_response(302)
                self.send_header("Location", "http://169.254.169.254/latest/meta-data")
                self.end_headers()
            case _:
                self._answer(404, b"no")

    def _answer(self, status: int, body: bytes, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bad)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_each_kind_of_bad_address_is_a_failed_job_with_a_sentence(tmp_path: Path, site: str) -> None:
    expected = {"gone.png": "404", "huge.png": "larger", "page.png": "not a picture", "inside.png": "private network"}
    with real_plane(tmp_path / "data", ALLOW_PRIVATE_URLS="1") as plane:
        jobs = {name: plane.submit("IMG2VID", image_url=f"{site}/{name}", duration=1) for name in expected}
        for name, words in expected.items():
            job = plane.until(jobs[name], "FAILED", "SUCCEEDED")
            assert (job["status"], job["attempts"]) == ("FAILED", 1), job
            assert words in job["error"], job["error"]
            assert "Traceback" not in job["error"]
            assert str(tmp_path) not in str(job)
    left = [path for path in (tmp_path / "data/objects").rglob("*") if path.suffix in (".png", ".mp4")]
    assert left == [], "nothing half written"
