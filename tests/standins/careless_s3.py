"""A server that speaks just enough S3 and, like some real ones, ignores `If-None-Match` and `If-Match`."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape


class _Server(ThreadingHTTPServer):
    def __init__(self, honours_if_match: bool, before_put: Callable[[], None], refuses: Callable[[], bool]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.honours_if_match = honours_if_match
        self.before_put = before_put
        self.refuses = refuses

    def listing(self, bucket: str, prefix: str) -> bytes:
        found = sorted((path, body) for path, body in self.objects.copy().items() if path.startswith(bucket + prefix))
        contents = "".join(
            f"<Contents><Key>{escape(path.removeprefix(bucket))}</Key><Size>{len(body)}</Size><ETag>x</ETag>"
            "<LastModified>2026-01-01T00:00:00Z</LastModified></Contents>"
            for path, body in found
        )
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>".encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def _bucket(self) -> _Server:
        return cast("_Server", self.server)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._bucket.before_put()
        wanted = self.headers.get("If-Match")
        if self._bucket.refuses():
            self._answer(403)
        elif self._bucket.honours_if_match and wanted and wanted != _etag(self._bucket.objects.get(self.path, b"")):
            self._answer(412)
        else:
            self._bucket.objects[self.path] = body
            self._answer(200, etag=_etag(body))

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if address.path.count("/") == 1:
            self._answer(200, self._bucket.listing(f"{address.path}/", parse_qs(address.query).get("prefix", [""])[0]))
        elif (body := self._bucket.objects.get(address.path)) is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        else:
            self._answer(200, body, etag=_etag(body))

    do_HEAD = do_GET

    def do_DELETE(self) -> None:
        self._bucket.objects.pop(self.path, None)
        self._answer(204)

    def _answer(self, status: int, body: bytes = b"", *, etag: str = "") -> None:
        self.send_response(status)
        if etag:
            self.send_header("ETag", etag)
            self.send_header("Last-Modified", formatdate(usegmt=True))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the tests speak for themselves."""


@contextmanager
def careless_s3(
    *,
    honours_if_match: bool = False,
    before_put: Callable[[], None] = lambda: None,
    refuses: Callable[[], bool] = lambda: False,
) -> Iterator[str]:
    """Its address, while it runs; every bucket is there.

    `before_put` is called in a thread before each takes effect; while it `refuses`, every put is answered with 403.
    """
    server = _Server(honours_if_match, before_put, refuses)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'
