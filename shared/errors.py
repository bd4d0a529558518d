"""The error tree. Every failure a person can meet is one of these; anything else is a bug.

    RushesError
    ├── InvalidRequest      the request itself is wrong; names the fields          (never retried)
    ├── InvalidParams       a job's params or input media are wrong                (never retried)
    ├── MediaRefused        a file or URL that must not or cannot be used          (never retried)
    ├── NotFound            there is no such thing
    ├── Conflict            the thing is in a state that does not allow it
    ├── Unauthorized        no key, a wrong key, or a wrong signature
    ├── EngineUnavailable   this worker has no engine for the job                  (never retried)
    ├── EngineFailed        the engine ran and failed                              (a retry may help)
    │   └── OutOfMemory     the job needed more memory than its worker has         (a larger worker helps)
    ├── JobCanceled         somebody canceled it
    ├── WorkerLost          the worker vanished in the middle                      (a retry helps)
    ├── StorageFailed       the bucket refused or did not answer                   (a retry helps)
    └── EndpointError       the GPU endpoint; see `control_plane.endpoints.port`

`code` is stable and for programs, the message is one sentence for a person, `retryable` says whether the same
request could succeed later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class FieldProblem:
    """One wrong field: `pointer` is an RFC 6901 JSON pointer into the request body."""

    pointer: str
    detail: str


class RushesError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "INTERNAL"
    retryable: ClassVar[bool] = False
    refresh_worker: bool = False
    """The process it happened in should not take another job."""

    def __init__(self, message: str | None = None, *, code: str | None = None, retryable: bool | None = None) -> None:
        self.message = message or (self.__doc__ or "").strip()
        self.code_now = code or self.code
        self.retryable_now = self.retryable if retryable is None else retryable
        super().__init__(self.message)


class InvalidRequest(RushesError):
    """The request is not valid."""

    code = "INVALID_REQUEST"

    def __init__(self, message: str, *fields: FieldProblem, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.fields = fields


class InvalidParams(RushesError):
    """The job's params are not valid."""

    code = "INVALID_PARAMS"


class MediaRefused(RushesError):
    """That file or address cannot be used."""

    code = "MEDIA_REFUSED"


class NotFound(RushesError):
    """There is no such thing."""

    code = "NOT_FOUND"


class Conflict(RushesError):
    """The job is in a state that does not allow this."""

    code = "CONFLICT"


class Unauthorized(RushesError):
    """A valid key is needed."""

    code = "UNAUTHORIZED"


class EngineUnavailable(RushesError):
    """This worker has no engine for that job."""

    code = "ENGINE_UNAVAILABLE"


class EngineFailed(RushesError):
    """The engine failed."""

    code = "ENGINE_FAILED"
    retryable = True


class OutOfMemory(EngineFailed):
    """The job needed more memory than this worker has."""

    code = "OUT_OF_MEMORY"


class JobCanceled(RushesError):
    """The job was canceled."""

    code = "CANCELED"


class WorkerLost(RushesError):
    """The worker vanished before the job was finished."""

    code = "WORKER_LOST"
    retryable = True


class StorageFailed(RushesError):
    """The store did not answer."""

    code = "STORAGE_FAILED"
    retryable = True
