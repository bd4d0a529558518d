"""What both sides of the gateway share: bounded JSON in, JSON out, and the key that opens a side."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

from starlette.requests import Request
from starlette.responses import Response

from control_plane.endpoints.local.queue import JobUnknown

Handler = Callable[[Request], Awaitable[Response]]
MEGABYTE = 1_000_000


class Refusal(Exception):
    """The request is not one we can serve. `status` is the HTTP code that says so."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


async def read_json(request: Request, max_bytes: int) -> Any:  # noqa: ANN401 - any JSON value
    """The body as strict JSON (the SDK labels its JSON as a form). Refusal when it is too large or not JSON."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise Refusal(f"The body is larger than {max_bytes // MEGABYTE} MB.", 413)
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Refusal("The body is not valid JSON.") from error


def answer(content: object, status: int = 200) -> Response:
    """A JSON answer. ASCII only: a lone surrogate in somebody's output must not break it."""
    return Response(json.dumps(content), status, media_type="application/json")


def guarded(key: str, endpoint_id: str, handler: Handler) -> Handler:
    """`handler` behind its key, with or without `Bearer`, for our one endpoint; its refusals become error answers."""

    async def guard(request: Request) -> Response:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), key.encode()):
            return answer({"error": "unauthorized"}, 401)
        if request.path_params["endpoint"] != endpoint_id:
            return answer({"error": "endpoint not found"}, 404)
        try:
            return await handler(request)
        except Refusal as error:
            return answer({"error": str(error)}, error.status)
        except JobUnknown:
            return answer({"error": "job not found"}, 404)

    return guard


def _refuse_constant(name: str) -> NoReturn:
    msg = f"{name} is not JSON"
    raise ValueError(msg)
