"""Requests and attempts as spans, to an OTLP collector over HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.util.re import parse_env_headers
from opentelemetry.util.types import AttributeValue

from control_plane import logs
from shared.references import JOB_ID

LONGEST_EXPORT_SECONDS = 5
_KEPT = ("http.request.method", "http.response.status_code", "http.route", "error.type")
_JOB = re.compile(rf"/jobs/({JOB_ID})(/|$)")
_BEFORE_THE_ROUTER = {"/jobs": "/jobs", "/jobs/": "/jobs/{job_id}", "/callbacks/": "/callbacks/{token}"}


@contextmanager
def sending_traces(endpoint: str, headers: str, version: str) -> Iterator[TracerProvider]:
    """Spans are sent every few seconds, and at the end; what a collector does not take in time is dropped."""
    provider = TracerProvider(
        resource=Resource.create({"service.name": "rushes", "service.version": version}),
        id_generator=_ByJob(),
        shutdown_on_exit=False,
    )
    told = dict(parse_env_headers(headers, liberal=True))
    exporter = OTLPSpanExporter(f"{endpoint}/v1/traces", headers=told, timeout=LONGEST_EXPORT_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(Chosen(exporter)))
    try:
        yield provider
    finally:
        provider.shutdown()


@contextmanager
def traced(provider: TracerProvider, name: str, *, calls: bool) -> Iterator[None]:
    """See `control_plane.telemetry.span`."""
    about: dict[str, AttributeValue] = {}
    if tried := logs.attempt.get():
        about = {"rushes.job_id": tried[0], "rushes.attempt": tried[1]}
    kind = SpanKind.CLIENT if calls else SpanKind.INTERNAL
    with provider.get_tracer("rushes").start_as_current_span(
        name, kind=kind, attributes=about, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield
        except Exception as error:
            span.set_attribute("error.type", getattr(error, "code_now", type(error).__name__))
            span.set_status(StatusCode.ERROR)
            raise


class _ByJob(RandomIdGenerator):
    """All attempts of a job are one trace, found by the job's id without its dashes."""

    def generate_trace_id(self) -> int:
        tried = logs.attempt.get()
        return UUID(tried[0]).int if tried else super().generate_trace_id()


class Chosen(SpanExporter):
    """Sends spans anew, of what may leave: addresses carry tokens, signatures and names that users gave."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """On the exporter's own thread."""
        return self._exporter.export([_bare(span) for span in spans])

    def shutdown(self) -> None:
        """What was exported is on its way."""
        self._exporter.shutdown()


def _bare(span: ReadableSpan) -> ReadableSpan:
    given = dict(span.attributes or {})
    kept = {name: value for name, value in given.items() if name in _KEPT or name.startswith("rushes.")}
    path = str(given.get("url.path", ""))
    if found := _JOB.match(path):
        kept["rushes.job_id"] = found[1]
    known = _BEFORE_THE_ROUTER.get(path) or _BEFORE_THE_ROUTER.get(path[: path.rfind("/") + 1])
    route = kept.get("http.route") or known
    name = f"{kept['http.request.method']} {route or ''}".strip() if "http.request.method" in kept else span.name
    return ReadableSpan(
        name,
        span.context,
        span.parent,
        span.resource,
        kept | ({"http.route": route} if route else {}),
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
