"""A Hugging Face hub on loopback: one folder a repository, one commit, and a list of what was asked for."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34


class Hub(ThreadingHTTPServer):
    """`gated`: nobody gets in without a token. Paths that end with one of `broken` answer 500."""

    daemon_threads = True

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root, self.gated = root, False
        self.broken: set[str] = set()
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def running(root: Path) -> Iterator[Hub]:
    with Hub(root) as hub:
        thread = threading.Thread(target=hub.serve_forever)
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append(f"{self.command} {path}")
        if any(path.endswith(end) for end in self.server.broken):
            self._send(500, b"{}")
        elif self.server.gated and "authorization" not in self.headers:
            self._send(403, b"{}", {"X-Error-Code": "GatedRepo"})
        elif listing := re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/([^/]+)", path):
            self._list(listing[1])
        elif file := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._file(self.server.root / file[1] / file[3])
        else:
            self._send(404, b"{}")

    def _list(self, repo: str) -> None:
        folder = self.server.root / repo
        if not folder.is_dir():
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
            return
        found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        siblings = [{"rfilename": str(path.relative_to(folder)), "size": path.stat().st_size} for path in found]
        self._send(200, json.dumps({"id": repo, "sha": COMMIT, "siblings": siblings}).encode())

    def _file(self, path: Path) -> None:
        if not path.is_file():
            self._send(404, b"{}", {"X-Error-Code": "EntryNotFound"})
            return
        body = path.read_bytes()
        tag = hashlib.sha256(body).hexdigest()
        start = int(found[1]) if (found := re.match(r"bytes=(\d+)-", self.headers.get("range", ""))) else 0
        self._send(206 if start else 200, body[start:], {"X-Repo-Commit": COMMIT, "ETag": f'"{tag}"'})

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
