"""Errors that are logged, to Sentry: their type, the lines of the program, and what they are about."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import sentry_sdk
from sentry_sdk.integrations.logging import EventHandler
from sentry_sdk.utils import BadDsn

from control_plane import logs
from control_plane.telemetry import CannotReport

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

OURS = ("control_plane", "shared")
LONGEST_FLUSH_SECONDS = 2.0
_KEPT = ("event_id", "timestamp", "level", "logger", "platform", "release", "environment", "sdk")
_KEPT_OF_FRAMES = ("filename", "module", "function", "lineno", "context_line", "pre_context", "post_context", "in_app")


@contextmanager
def sending_errors(dsn: str, version: str) -> Iterator[None]:
    """Every line of level ERROR becomes an event. Raises CannotReport when the DSN is none."""
    try:
        sentry_sdk.init(
            dsn,
            release=f"rushes@{version}",
            default_integrations=False,
            auto_enabling_integrations=False,
            include_local_variables=False,
            send_client_reports=False,
            auto_session_tracking=False,
            max_breadcrumbs=0,
            before_send=chosen,
            shutdown_timeout=LONGEST_FLUSH_SECONDS,
        )
    except BadDsn as wrong:
        raise CannotReport("SENTRY_DSN is no DSN: it looks like https://<key>@<host>/<project>") from wrong
    handler = EventHandler(level=logging.ERROR)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        sentry_sdk.get_client().close(timeout=LONGEST_FLUSH_SECONDS)
        sentry_sdk.get_global_scope().set_client(None)


def chosen(event: Event, hint: Hint) -> Event | None:
    """The event anew, of what may leave.

    The words of a log line are ours before anything is put into them, and only where the logger is ours.
    """
    del hint
    given: dict[str, Any] = {**event}
    kept = {name: given[name] for name in _KEPT if name in given}
    if given.get("logger", "").split(".")[0] in OURS:
        kept["logentry"] = {"message": given.get("logentry", {}).get("message", "")}
    if raised := given.get("exception"):
        kept["exception"] = {"values": [_bare(one) for one in raised["values"]]}
    return cast("Event", kept | {"tags": _about()})


def _bare(raised: dict[str, Any]) -> dict[str, Any]:
    frames = (raised.get("stacktrace") or {}).get("frames", ())
    kept = [{name: frame[name] for name in _KEPT_OF_FRAMES if name in frame} for frame in frames]
    return {"type": raised.get("type"), "module": raised.get("module"), "stacktrace": {"frames": kept}}


def _about() -> dict[str, str]:
    asked, tried = logs.request_id.get(), logs.attempt.get()
    of_request = {"request_id": asked} if asked else {}
    return of_request | ({"job_id": tried[0], "attempt": str(tried[1])} if tried else {})
