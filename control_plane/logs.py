"""What the programme logs, as lines for a person or as JSON for a collector, with what each line is about.

The request or the attempt that a line is about is that of the task it is logged from.
"""

from __future__ import annotations

import logging
import re
from contextvars import ContextVar
from typing import Literal

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
attempt: ContextVar[tuple[str, int] | None] = ContextVar("attempt", default=None)
"""The job's id and the attempt's number."""

_SECRET = re.compile(
    r"(\bbearer\s+|x-api-key\W{1,4}|x-amz-(?:signature|credential|security-token)=|[?&](?:signature|ticket|token|key)="
    r"|/callbacks/|/webhooks/runpod/|://[^/\s:@]*:(?=[^/\s@]*@)|\brushes_[0-9a-f]{12}_|\bwhsec_|\brpa_|\bhf_)"
    r"[^\s&\"'@,;)}\]\\]+",
    re.IGNORECASE,
)
_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def configure(level: str, form: Literal["text", "json"]) -> None:
    """Send every log of this process to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Redacted(_json() if form == "json" else logging.Formatter(_TEXT)))
    handler.addFilter(_told)
    logging.basicConfig(level=level, handlers=[handler], force=True)


class _Redacted(logging.Formatter):
    """Takes secrets out of whole lines, tracebacks too: libraries log addresses and headers as they are."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        return _SECRET.sub(r"\1[redacted]", self._inner.format(record))


def _json() -> logging.Formatter:
    from pythonjsonlogger.json import JsonFormatter  # who reads lines need not load it

    return JsonFormatter(
        ["levelname", "name", "message"],
        rename_fields={"levelname": "level", "name": "logger", "exc_info": "error"},
        timestamp="at",
    )


def _told(record: logging.LogRecord) -> bool:
    if (asked := request_id.get()) is not None:
        record.request_id = asked
    if (tried := attempt.get()) is not None:
        record.job_id, record.attempt = tried
    return True
