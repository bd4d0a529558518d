"""Sentry and OpenTelemetry where the owner has set them; otherwise neither is loaded, and a span costs one comparison.

What leaves this machine is chosen, not filtered: names of ours, ids of requests, jobs and attempts, types of errors and
where in the program they arose. No words of a user or an exception, no address, header, body, variable or secret.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from shared.errors import RushesError

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig
    from opentelemetry.sdk.trace import TracerProvider

QUIET_PATHS = ("/healthz", "/readyz", "/metrics")
"""Asked for by machines, every few seconds."""
_traces: TracerProvider | None = None


@dataclass(frozen=True)
class Targets:
    """Where to. `otlp_headers` as in `OTEL_EXPORTER_OTLP_HEADERS`: `name=value`, comma-separated, percent-encoded."""

    version: str
    sentry_dsn: str | None = None
    otlp_endpoint: str | None = None
    otlp_headers: str = ""


class CannotReport(RushesError):
    """What SENTRY_DSN or OTEL_EXPORTER_OTLP_ENDPOINT asks for cannot be done."""

    code = "CANNOT_REPORT"


@contextmanager
def reporting(targets: Targets) -> Iterator[None]:
    """Send what happens inside to the targets; at the end, what is still held. Raises CannotReport."""
    global _traces
    with ExitStack() as ending:
        if targets.sentry_dsn:
            _needs("sentry_sdk", "SENTRY_DSN")
            from control_plane.telemetry.errors import sending_errors

            ending.enter_context(sending_errors(targets.sentry_dsn, targets.version))
        if targets.otlp_endpoint:
            _needs("opentelemetry.exporter.otlp.proto.http", "OTEL_EXPORTER_OTLP_ENDPOINT")
            from control_plane.telemetry.traces import sending_traces

            _traces = ending.enter_context(sending_traces(targets.otlp_endpoint, targets.otlp_headers, targets.version))
        try:
            yield
        finally:
            _traces = None


def of_requests() -> TelemetryConfig:
    """What FastAPI, which traces by itself, is to do. It is never let to look at the environment for more."""
    return {
        "auto_configure": False,
        "tracing": _traces is not None,
        "tracer_provider": _traces,
        "metrics": False,
        "logs": False,
        "operation_spans": False,
        "exclude": lambda scope: scope["path"] in QUIET_PATHS,
    }


@contextmanager
def span(name: str, *, calls: bool = False) -> Iterator[None]:
    """What happens inside, as a span of that name; `calls` says that another server does it.

    Inside an attempt (`logs.attempt`) its trace is that of the job: the trace's id is the job's.
    """
    if _traces is None:
        yield
        return
    from control_plane.telemetry.traces import traced

    with traced(_traces, name, calls=calls):
        yield


def tag(name: str, value: str) -> None:
    """Note an id with the span we are in, if there is one."""
    if _traces is not None:
        from opentelemetry import trace

        trace.get_current_span().set_attribute(f"rushes.{name}", value)


def _needs(module: str, setting: str) -> None:
    try:
        there = find_spec(module) is not None
    except ModuleNotFoundError:
        there = False
    if not there:
        raise CannotReport(
            f"{setting} is set, and what it needs is not installed: pip install 'rushes[observability]', or unset it"
        )
