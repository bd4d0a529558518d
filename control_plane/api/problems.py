"""RFC 9457 problem+json: one shape for every error, with a stable `code`, and never a traceback, path or secret."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.routing import Match

from control_plane.jobs.database import DatabaseFailed
from shared.errors import (
    Conflict,
    FieldProblem,
    InvalidParams,
    InvalidRequest,
    MediaRefused,
    NotFound,
    RushesError,
    StorageFailed,
    Unauthorized,
)

log = logging.getLogger(__name__)

STATUS: dict[type[RushesError], int] = {
    InvalidRequest: 422,
    InvalidParams: 422,
    MediaRefused: 422,
    NotFound: 404,
    Conflict: 409,
    Unauthorized: 401,
    StorageFailed: 503,
    DatabaseFailed: 503,
}


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
MAX_BODY = 1_000_000
TOO_LARGE = (
    413,
    "BODY_TOO_LARGE",
    f"A request body may have at most {MAX_BODY:,} bytes: upload files by POST /uploads",
)


class ProblemField(BaseModel):
    """One wrong field: a JSON pointer into the body, the same as a path, and what is wrong."""

    pointer: str
    field: str
    detail: str


class Problem(BaseModel):
    """What every error looks like."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    retryable: bool
    request_id: str | None = None
    errors: list[ProblemField] = []


class BodyTooLarge(HTTPException):
    """More bytes came than a request may have. An HTTPException, since FastAPI lets only those out of a body."""

    def __init__(self) -> None:
        super().__init__(413)


class NothingMore(Exception):
    """Answered as 204, which tells an EventSource not to connect again."""


def problem(
    request: HTTPConnection,
    status: int,
    code: str,
    detail: str,
    *,
    retryable: bool = False,
    fields: Sequence[FieldProblem] = (),
    retry_after: int | None = None,
) -> JSONResponse:
    """The response for one problem. `retry_after` in seconds."""
    errors = [ProblemField(pointer=f.pointer, field=_as_path(f.pointer), detail=f.detail) for f in fields]
    body = Problem(
        type=f"urn:rushes:problem:{code.lower().replace('_', '-')}",
        title=HTTPStatus(status).phrase,
        status=status,
        code=code,
        detail=detail,
        retryable=retryable,
        request_id=getattr(request.state, "request_id", None),
        errors=errors,
    )
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    return JSONResponse(body.model_dump(), status, headers, media_type="application/problem+json")


def _as_path(pointer: str) -> str:
    """`/params/clips/0/end` → `params.clips[0].end`."""
    parts = pointer.strip("/").split("/")
    return "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in parts).lstrip(".")


def _field_of(error: dict[str, Any], body: object) -> FieldProblem:
    """Pydantic's location without the parts that are not in the body, such as the tags of unions."""
    location = list(error["loc"])
    if location[:1] == ["body"]:
        location = _in_body(location[1:], body)
    if error["type"].startswith("union_tag"):
        location = [*location, str(error["ctx"]["discriminator"]).strip("'")]
    detail = str(error["msg"]).removeprefix("Value error, ")
    return FieldProblem("/" + "/".join(map(str, location)), detail)


def _in_body(location: list[str | int], body: object) -> list[str | int]:
    found: list[str | int] = []
    for number, part in enumerate(location):
        if isinstance(body, dict) and (part in body or number == len(location) - 1):
            found.append(part)
            body = body.get(part)
        elif isinstance(body, list) and isinstance(part, int) and part < len(body):
            found.append(part)
            body = body[part]
    return found


def _methods_of(request: Request) -> Iterator[str]:
    """Those that the path has in any route; the router knows only those of the first."""
    for method in METHODS:
        scope = {**request.scope, "method": method}
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes):
            yield method


def install(app: FastAPI) -> None:
    """Every way a request can fail ends in a problem."""

    async def ours(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RushesError)  # noqa: S101 - registered for it
        status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)
        fields = getattr(error, "fields", ())
        return problem(request, status, error.code_now, error.message, retryable=error.retryable_now, fields=fields)

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
        found = error.errors()
        if any(part["type"] == "json_invalid" for part in found):
            return problem(request, 400, "NOT_JSON", "The body is not valid JSON")
        fields = [_field_of(part, error.body) for part in found[:20]]
        first = f"{_as_path(fields[0].pointer)}: {fields[0].detail}" if fields else "The request is not valid"
        return problem(request, 422, "INVALID_REQUEST", first, fields=fields)

    async def http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
        phrase = HTTPStatus(error.status_code).phrase
        code = phrase.upper().replace(" ", "_")
        answer = problem(request, error.status_code, code, phrase)
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            answer.headers["Allow"] = ", ".join(_methods_of(request))
        return answer

    async def too_large(request: Request, error: Exception) -> JSONResponse:
        del error
        return problem(request, *TOO_LARGE)

    async def nothing_more(request: Request, error: Exception) -> JSONResponse:
        del request, error
        return JSONResponse(None, 204)

    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        log.error("unexpected error", exc_info=error)
        return problem(request, 500, "INTERNAL", "Something went wrong on our side; it has been logged")

    app.add_exception_handler(RushesError, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(BodyTooLarge, too_large)
    app.add_exception_handler(NothingMore, nothing_more)
    app.add_exception_handler(Exception, unexpected)
