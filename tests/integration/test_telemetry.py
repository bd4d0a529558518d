"""Sentry and OpenTelemetry where they are set, against a receiver on this machine: what they are told, and what not."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from control_plane import logs, telemetry
from control_plane.telemetry import CannotReport, Targets, reporting
from tests.integration.served import served

SECRET = "rpa_never-to-be-told"
WORDS = "The heir's own words"


def unpacked(body: bytes, encoding: str | None) -> bytes:
    if encoding == "br":
        import brotli  # Sentry takes it wherever some package has brought it along

        return bytes(brotli.decompress(body))
    return gzip.decompress(body) if encoding == "gzip" else body


class Receiver:
    """Takes what is posted; `bodies` by path, unpacked."""

    def __init__(self) -> None:
        self.bodies: list[tuple[str, bytes]] = []
        self.headers: list[dict[str, str]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.bodies.append((self.path, unpacked(body, self.headers.get("content-encoding"))))
                receiver.headers.append({name.lower(): value for name, value in self.headers.items()})
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.dsn = f"http://key@127.0.0.1:{self._server.server_port}/7"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def events(self) -> list[dict[str, Any]]:
        envelopes = [body.split(b"\n") for path, body in self.bodies if path == "/api/7/envelope/"]
        return [json.loads(lines[2]) for lines in envelopes]

    def spans(self) -> list[Any]:
        found: list[Any] = []
        for path, body in self.bodies:
            if path == "/v1/traces":
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    found += [span for scope in resource.scope_spans for span in scope.spans]
        return found


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    there = Receiver()
    yield there
    there.close()


def told(span: Any) -> dict[str, Any]:
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


async def test_an_error_is_told_by_its_type_and_place_and_what_it_is_about(receiver: Receiver) -> None:
    with reporting(Targets("1.2.3", sentry_dsn=receiver.dsn)):
        logs.attempt.set(("0199", 2))
        logs.request_id.set("asked")
        try:
            int(f"{WORDS} {SECRET}")
        except ValueError:
            private = SECRET
            logging.getLogger("control_plane.x").exception("job %s", f"{WORDS} {private}")
        logging.getLogger("asyncio").error(f"Task exception: {WORDS}")  # noqa: G004 - as libraries do
        logging.getLogger("control_plane.x").warning("no error")
    ours, theirs = receiver.events()
    assert (ours["logentry"], ours["level"], ours["release"]) == ({"message": "job %s"}, "error", "rushes@1.2.3")
    assert ours["tags"] == {"job_id": "0199", "attempt": "2", "request_id": "asked"}
    (raised,) = ours["exception"]["values"]
    assert raised["type"] == "ValueError"
    assert (
        raised["stacktrace"]["frames"][-1]["function"]
        == "test_an_error_is_told_by_its_type_and_place_and_what_it_is_about"
    )
    assert (theirs["logger"], "logentry" in theirs) == ("asyncio", False)
    sent = b"".join(body for _, body in receiver.bodies).decode()
    assert SECRET not in sent
    assert WORDS not in sent
    logging.getLogger("control_plane.x").error("afterwards")
    assert len(receiver.events()) == 2


async def test_requests_and_attempts_are_traced_and_a_jobs_attempts_by_its_id(
    receiver: Receiver, tmp_path: Path
) -> None:
    with reporting(Targets("1", otlp_endpoint=receiver.url, otlp_headers="api-key=a%20b,x=y")):
        async with served(tmp_path, api_key=SECRET) as api:
            api.client.headers["authorization"] = f"Bearer {SECRET}"
            answer = await api.submit({"type": "TTS", "params": {"text": WORDS}})
            job_id = answer.json()["job_id"]
            token = (await api.worker()).message.token
            await api.client.post(f"/callbacks/{token}", json={})
            await api.client.get(f"/jobs/{job_id}")
            await api.client.get("/jobs", params={"limit": 1, "cursor": SECRET})
            await api.client.get(f"/twins/{WORDS}")
            await api.client.get("/readyz")
            async with asyncio.timeout(10):
                while (await api.get(job_id))["runpod_job_id"] is None:
                    await asyncio.sleep(0.01)
    spans = receiver.spans()
    names = {span.name for span in spans}
    assert names >= {"POST /jobs", "GET /jobs/{job_id}", "POST /callbacks/{token}", "GET /jobs", "GET /twins/{name}"}
    assert not [name for name in names if "readyz" in name]
    posted = next(span for span in spans if span.name == "POST /jobs")
    asked = {"http.request.method": "POST", "http.response.status_code": 202, "http.route": "/jobs"}
    assert told(posted) == asked | {"rushes.job_id": job_id, "rushes.request_id": answer.headers["x-request-id"]}
    attempt = next(span for span in spans if span.name == "attempt")
    run = next(span for span in spans if span.name == "POST /run")
    assert told(attempt) == told(run) == {"rushes.job_id": job_id, "rushes.attempt": 1}
    assert attempt.trace_id.hex() == run.trace_id.hex() == job_id.replace("-", "")
    assert run.parent_span_id == attempt.span_id
    sent = b"".join(body for _, body in receiver.bodies)
    assert not [secret for secret in (SECRET, WORDS, token) if secret.encode() in sent]
    assert receiver.headers[0]["api-key"] == "a b"


async def test_the_environment_alone_exports_nothing(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    async with served(tmp_path) as api:
        await api.client.get("/jobs")
    assert receiver.bodies == []


async def test_what_fails_is_told_by_its_code(receiver: Receiver) -> None:
    with reporting(Targets("1", otlp_endpoint=receiver.url)), pytest.raises(CannotReport), telemetry.span("x"):
        raise CannotReport(WORDS)
    (span,) = receiver.spans()
    assert told(span) == {"error.type": "CANNOT_REPORT"}
    assert WORDS.encode() not in receiver.bodies[0][1]


@pytest.mark.parametrize("dsn", ["nonsense", "https://example.org"])
def test_a_wrong_dsn_is_a_sentence(dsn: str) -> None:
    with pytest.raises(CannotReport, match="SENTRY_DSN is no DSN"), reporting(Targets("1", sentry_dsn=dsn)):
        pass


def without(*modules: str, then: str) -> subprocess.CompletedProcess[str]:
    """A Python that has none of these modules."""
    program = f"import sys\nfor name in {modules!r}:\n    sys.modules[name] = None\n{then}"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("setting", "value", "module"),
    [
        ("SENTRY_DSN", "https://key@sentry.example/1", "sentry_sdk"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318", "opentelemetry.exporter"),
    ],
)
def test_set_and_not_installed_stops_the_start_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, setting: str, value: str, module: str
) -> None:
    monkeypatch.setenv(setting, value)
    said = without(module, then="sys.argv[1:] = ['serve', '--port', '0']; from control_plane.cli import main; main()")
    assert said.returncode == 1
    assert said.stderr == (
        f"{setting} is set, and what it needs is not installed: pip install 'rushes[observability]', or unset it\n"
    )


def test_unset_loads_neither() -> None:
    said = without(
        then="import control_plane.cli.serving\n"
        "print([n for n in sys.modules if n.startswith(('sentry_sdk', 'opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    assert said.stdout == "[]\n", said.stderr
