"""What dispatch needs of an endpoint, in RunPod's serverless v2 vocabulary.

    EndpointError            something is wrong between us and the endpoint
    ├── EndpointRefused      it answered: no. Nothing was accepted, so the same attempt may be sent again
    │   └── EndpointBusy     429: wait `retry_after` seconds
    ├── EndpointUnreachable  nothing was sent: no connection could be made
    └── AnswerLost           sent, and no usable answer came back: accepted or not, nobody knows

(Source: docs.runpod.io, operation reference; a lost answer to /run is the case that costs money.)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from shared.errors import RushesError

LOCAL = "local"
"""The `url` of the built-in endpoint, whose port is another in each life."""


class EndpointError(RushesError):
    """The GPU endpoint did not do what was asked."""

    code = "ENDPOINT_ERROR"
    retryable = True


class EndpointRefused(EndpointError):
    """The GPU endpoint refused the request."""

    code = "ENDPOINT_REFUSED"

    def __init__(self, message: str, status: int, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class EndpointBusy(EndpointRefused):
    """The GPU endpoint asks us to slow down."""

    code = "ENDPOINT_BUSY"


class EndpointUnreachable(EndpointError):
    """The GPU endpoint cannot be reached."""

    code = "ENDPOINT_UNREACHABLE"


class AnswerLost(EndpointError):
    """The GPU endpoint's answer was lost."""

    code = "ENDPOINT_ANSWER_LOST"


class RemoteStatus(StrEnum):
    """A submission's state at the endpoint. `GONE` is our word for its 404: unknown, expired or forgotten."""

    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"
    GONE = "GONE"

    @property
    def is_over(self) -> bool:
        """True when the endpoint will not run this submission any further."""
        return self not in (RemoteStatus.IN_QUEUE, RemoteStatus.IN_PROGRESS)


@dataclass(frozen=True)
class RemoteJob:
    """One `/status` answer. Times in milliseconds, absent where the platform leaves them out."""

    id: str
    status: RemoteStatus
    output: Any = None
    error: str | None = None
    delay_ms: int | None = None
    execution_ms: int | None = None
    worker_id: str | None = None


@dataclass(frozen=True)
class EndpointHealth:
    """One `/health` answer: counts of jobs and workers by state, zero where absent."""

    jobs: dict[str, int] = field(default_factory=dict)
    workers: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Policy:
    """Limits the platform holds, in milliseconds: of one run, and of the whole life from submission."""

    execution_timeout_ms: int
    ttl_ms: int


class Endpoint(Protocol):
    """One GPU endpoint. Every call may raise EndpointError; `url` names it for ever in the attempt's row."""

    @property
    def url(self) -> str:
        """The base URL jobs are sent to, or `local` for the built-in endpoint."""
        ...

    async def run(self, payload: dict[str, Any], policy: Policy, webhook: str | None = None) -> str:
        """Submit `payload` as `input` and return the id. Repeated only where nothing can have been accepted."""
        ...

    async def status(self, runpod_id: str) -> RemoteJob:
        """The submission's state; `GONE` for a 404. Repeated on 429, 5xx and lost connections."""
        ...

    async def cancel(self, runpod_id: str) -> None:
        """Ask the platform to stop the submission; a 404 is fine. Repeated like `status`."""
        ...

    async def health(self) -> EndpointHealth:
        """Counts of jobs and workers. One try: the caller asks again soon anyway."""
        ...

    async def aclose(self) -> None:
        """Close connections."""
        ...
