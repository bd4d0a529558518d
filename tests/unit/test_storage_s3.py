from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.errors import StorageFailed
from shared.storage.local import LocalStore
from shared.storage.open import open_store
from shared.storage.s3 import S3Store


def _open(endpoint_url: str | None, **settings: str) -> S3Store:
    return S3Store("bucket", endpoint_url, access_key_id="id", secret_access_key="secret", **settings)


def test_a_dot_in_a_buckets_name_stays_out_of_the_host() -> None:
    url = S3Store("films.example", None, "eu-central-1", "id", "secret").signed_get("a.mp4", 60)
    assert url.startswith("https://s3.eu-central-1.amazonaws.com/films.example/a.mp4?")


@pytest.mark.parametrize(
    ("endpoint_url", "region", "name", "address"),
    [
        ("http://10.0.0.5:9000", None, "s3://bucket@10.0.0.5:9000", "http://10.0.0.5:9000/bucket/a.mp4"),
        ("https://minio.example", None, "s3://bucket@minio.example", "https://minio.example/bucket/a.mp4"),
        (
            "https://acc.r2.cloudflarestorage.com",
            "auto",
            "s3://bucket@acc.r2.cloudflarestorage.com",
            "https://bucket.acc.r2.cloudflarestorage.com/a.mp4",
        ),
        (None, "eu-central-1", "s3://bucket@s3.amazonaws.com", "https://bucket.s3.eu-central-1.amazonaws.com/a.mp4"),
    ],
)
def test_name_and_address(endpoint_url: str | None, region: str | None, name: str, address: str) -> None:
    store = S3Store("bucket", endpoint_url, region, "id", "secret")
    url = store.signed_get("a.mp4", 60)
    assert store.name == name
    assert url.split("?")[0] == address
    assert parse_qs(urlsplit(url).query)["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]


def test_an_upload_is_signed_with_its_length_and_type_and_creates_only() -> None:
    upload = _open("https://s3.example").signed_put("uploads/a.mp4", "video/mp4", 5, 900)
    query = parse_qs(urlsplit(upload.url).query)
    assert query["X-Amz-SignedHeaders"] == ["content-length;content-type;host;if-none-match"]
    assert query["X-Amz-Expires"] == ["900"]
    assert not any("checksum" in name.lower() for name in query)
    assert (upload.method, upload.headers) == ("PUT", {"Content-Type": "video/mp4", "If-None-Match": "*"})


def test_the_longest_expiry_is_seven_days() -> None:
    query = parse_qs(urlsplit(_open("https://s3.example").signed_get("a", 7 * 24 * 3600)).query)
    assert query["X-Amz-Expires"] == ["604800"]


def test_a_public_bucket_needs_no_signature() -> None:
    store = _open("https://s3.example", public_base_url="https://cdn.example/films/")
    assert store.signed_get("jobs/1/a.mp4", 60) == "https://cdn.example/films/jobs/1/a.mp4"


def test_no_bucket_means_a_folder_and_no_boto3(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from shared.storage.open import open_store;"
        "open_store(bucket='', endpoint_url=None, region=None, access_key_id=None, secret_access_key=None,"
        "public_base_url=None, data_dir=pathlib.Path(sys.argv[1]), signer=None);"
        "sys.exit('boto3' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False).returncode == 0
    assert (tmp_path / "objects").is_dir()


@pytest.mark.parametrize("bucket", [None, "bucket"])
def test_the_settings_choose_the_store(tmp_path: Path, bucket: str | None) -> None:
    store = open_store(
        bucket=bucket,
        endpoint_url="https://s3.example",
        region=None,
        access_key_id="id",
        secret_access_key="secret",
        public_base_url=None,
        data_dir=tmp_path,
        signer=None,
    )
    assert isinstance(store, S3Store if bucket else LocalStore)


def test_a_missing_client_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "shared.storage.s3")
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(StorageFailed, match="boto3 is missing"):
        open_store(
            bucket="bucket",
            endpoint_url=None,
            region=None,
            access_key_id=None,
            secret_access_key=None,
            public_base_url=None,
            data_dir=tmp_path,
            signer=None,
        )


class ScriptedBucket(ThreadingHTTPServer):
    """Answers each request with the next of `answers`: a status and an S3 error code. For what SeaweedFS never says."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _ScriptedAnswer)
        self.answers: list[tuple[int, str]] = []
        self.seen: list[dict[str, str]] = []


class _ScriptedAnswer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # So that it says 100 Continue, which boto3 waits for.

    def do_PUT(self) -> None:
        bucket = cast("ScriptedBucket", self.server)
        self.rfile.read(int(self.headers["Content-Length"]))
        bucket.seen.append(dict(self.headers))
        status, code = bucket.answers.pop(0)
        body = f"<Error><Code>{code}</Code><Message/></Error>".encode() if code else b""
        self.send_response(status)
        self.send_header("ETag", '"new"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def bucket() -> Iterator[tuple[ScriptedBucket, S3Store]]:
    with ScriptedBucket() as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        store = _open(f"http://127.0.0.1:{server.server_address[1]}")
        yield server, store
        server.shutdown()
        store._client.close()
        serving.join()


@pytest.mark.parametrize(
    ("answers", "etag"),
    [
        ([(200, "")], '"new"'),
        ([(412, "PreconditionFailed")], None),
        ([(404, "NoSuchKey")], None),
        ([(409, "ConditionalRequestConflict"), (200, "")], '"new"'),
        ([(409, "ConditionalRequestConflict"), (412, "PreconditionFailed")], None),
    ],
)
def test_answers_to_a_conditional_put(
    bucket: tuple[ScriptedBucket, S3Store], answers: list[tuple[int, str]], etag: str | None
) -> None:
    server, store = bucket
    server.answers = answers
    assert store.put_if_match("a.json", b"{}", '"old"') == etag
    assert server.answers == []
    assert all(headers["If-Match"] == '"old"' for headers in server.seen)
    assert not any("checksum" in name.lower() or "trailer" in name.lower() for name in server.seen[0])


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([(404, "NoSuchBucket")], "There is no such bucket."),
        ([(404, "NoSuchKey")], "The bucket answered 404."),
        ([(403, "AccessDenied")], "The bucket refused the access key."),
        ([(500, "InternalError")] * 4, "The bucket answered 500."),
        ([(501, "NotImplemented")], "The bucket answered 501."),
    ],
)
def test_a_bucket_that_fails_is_never_taken_for_a_lost_race(
    bucket: tuple[ScriptedBucket, S3Store], answers: list[tuple[int, str]], words: str
) -> None:
    server, store = bucket
    server.answers = list(answers)
    with pytest.raises(StorageFailed) as failed:
        store.put_if_absent("a.json", b"{}")
    assert failed.value.message == words
    assert server.answers == []
