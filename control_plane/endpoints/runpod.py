"""A RunPod serverless endpoint over its HTTP API ("serverless v2").

`/run` has no idempotency key, so it is repeated only where nothing can have been accepted: a 429, or no connection.
Everything else repeats freely, with a jittered wait between tries.
(Source: docs.runpod.io, operation reference; docs of httpx for which errors come before anything is sent.)
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

from control_plane.endpoints.port import (
    AnswerLost,
    EndpointBusy,
    EndpointError,
    EndpointHealth,
    EndpointRefused,
    EndpointUnreachable,
    Policy,
    RemoteJob,
    RemoteStatus,
)
from control_plane.endpoints.quotas import Quotas, runpods
from control_plane.endpoints.transport import SingleConnections

TRIES = 4
LONGEST_WAIT = 30.0
"""Seconds. A longer `Retry-After` is not waited out here: the caller gets EndpointBusy and plans with it."""

_JOB_COUNTS = ("inQueue", "inProgress", "completed", "failed", "retried")
_WORKER_COUNTS = ("idle", "initializing", "ready", "running", "throttled", "unhealthy")
_NOTHING_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_NOT_ACCEPTED = (EndpointBusy, EndpointUnreachable)
_PASSING = (EndpointBusy, EndpointUnreachable, AnswerLost)
_REFUSALS = {
    401: "The GPU endpoint does not accept the API key.",
    402: "The GPU endpoint's account is out of balance.",
    403: "The GPU endpoint does not accept the API key.",
    404: "The GPU endpoint does not know what was asked for.",
    413: "The request is too large for the GPU endpoint.",
}
_WORDS = {status.value: status for status in RemoteStatus if status is not RemoteStatus.GONE}
_backoff = wait_random_exponential(multiplier=0.5, max=8)

Sleep = Callable[[float], Awaitable[None]]


class RunPodEndpoint:
    """`url` is the endpoint's base, such as `https://api.runpod.ai/v2/<endpoint id>`.

    Without a `client` it makes one and closes it; a given one stays the caller's. `sleep` waits between tries, and
    calls wait for their turn by `quotas`, RunPod's own when left out.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        client: httpx.AsyncClient | None = None,
        *,
        sleep: Sleep = asyncio.sleep,
        quotas: Quotas | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {api_key.strip()}"}
        self._owned = client is None
        # trust_env off: a proxy or .netrc that happens to be set must not see the key.
        self._client = client or httpx.AsyncClient(
            timeout=httpx.Timeout(20, connect=5), trust_env=False, transport=SingleConnections()
        )
        self._sleep = sleep
        self._quotas = quotas or runpods()

    @property
    def url(self) -> str:
        """The base URL jobs are sent to."""
        return self._url

    async def run(self, payload: dict[str, Any], policy: Policy, webhook: str | None = None) -> str:
        """Submit `payload` as `input` and return the id. Repeated only where nothing can have been accepted."""
        limits = {"executionTimeout": policy.execution_timeout_ms, "ttl": policy.ttl_ms}
        body = {"input": payload, "policy": limits} | ({"webhook": webhook} if webhook else {})
        return await self._repeat(_NOT_ACCEPTED)(self._run_once, body)

    async def status(self, runpod_id: str) -> RemoteJob:
        """The submission's state; `GONE` for a 404. Repeated on 429, 5xx and lost connections."""
        try:
            return await self._repeat(_PASSING)(self._status_once, runpod_id)
        except EndpointRefused as refused:
            if refused.status != httpx.codes.NOT_FOUND:
                raise
            return RemoteJob(runpod_id, RemoteStatus.GONE)

    async def cancel(self, runpod_id: str) -> None:
        """Ask the platform to stop the submission; a 404 is fine. Repeated like `status`."""
        try:
            await self._repeat(_PASSING)(self._call, "POST", "cancel", runpod_id)
        except EndpointRefused as refused:
            if refused.status != httpx.codes.NOT_FOUND:
                raise

    async def health(self) -> EndpointHealth:
        """Counts of jobs and workers. One try: the caller asks again soon anyway."""
        answer = _object(await self._call("GET", "health"))
        return EndpointHealth(
            jobs=_counts(answer.get("jobs"), _JOB_COUNTS), workers=_counts(answer.get("workers"), _WORKER_COUNTS)
        )

    async def aclose(self) -> None:
        """Close the connections of our own client."""
        if self._owned:
            await self._client.aclose()

    def _repeat(self, kinds: tuple[type[EndpointError], ...]) -> AsyncRetrying:
        def worth_it(error: BaseException) -> bool:
            return isinstance(error, kinds) and _retry_after(error) <= LONGEST_WAIT

        return AsyncRetrying(
            retry=retry_if_exception(worth_it),
            stop=stop_after_attempt(TRIES),
            wait=_wait,
            sleep=self._sleep,
            reraise=True,
        )

    async def _run_once(self, body: dict[str, Any]) -> str:
        match _json(await self._call("POST", "run", body=body)):
            case {"id": str(runpod_id)} if runpod_id:
                return runpod_id
        raise AnswerLost("The GPU endpoint took the job and did not say under which id.")

    async def _status_once(self, runpod_id: str) -> RemoteJob:
        return _job(runpod_id, _object(await self._call("GET", "status", runpod_id)))

    async def _call(
        self, method: str, operation: str, runpod_id: str = "", *, body: dict[str, Any] | None = None
    ) -> httpx.Response:
        address = f"{self._url}/{operation}" + (f"/{quote(runpod_id, safe='')}" if runpod_id else "")
        try:
            async with self._quotas.turn(operation):
                response = await self._client.request(method, address, json=body, headers=self._headers)
        except _NOTHING_SENT as error:
            raise EndpointUnreachable from error
        except httpx.RequestError as error:
            raise AnswerLost from error
        _check(response)
        return response


def _check(response: httpx.Response) -> None:
    """Raise what a status code means: 5xx may have been accepted all the same, every other refusal was not."""
    status = response.status_code
    if response.is_success:
        return
    if status == httpx.codes.TOO_MANY_REQUESTS:
        raise EndpointBusy("", status, _seconds(response.headers.get("Retry-After", "")))
    if response.is_server_error:
        raise AnswerLost(f"The GPU endpoint broke down ({status}).")
    raise EndpointRefused(_REFUSALS.get(status, f"The GPU endpoint refused the request ({status})."), status)


def _seconds(header: str) -> float | None:
    """`Retry-After` in seconds; its other form, a date, and what is no sane number are left to the back-off."""
    return float(header) if header.isascii() and header.isdecimal() and len(header) <= 6 else None


def _retry_after(error: BaseException | None) -> float:
    return (error.retry_after or 0.0) if isinstance(error, EndpointRefused) else 0.0


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return max(_backoff(state), _retry_after(error))


def _json(response: httpx.Response) -> object:
    try:
        return response.json()
    except (ValueError, RecursionError) as error:
        raise AnswerLost("The GPU endpoint answered something that is not JSON.") from error


def _object(response: httpx.Response) -> dict[str, Any]:
    answer = _json(response)
    if not isinstance(answer, dict):
        raise AnswerLost("The GPU endpoint answered something other than a JSON object.")
    return answer


def _job(runpod_id: str, answer: dict[str, Any]) -> RemoteJob:
    return RemoteJob(
        id=runpod_id,
        status=_status(answer.get("status")),
        output=answer.get("output"),
        error=_sentence(answer.get("error")),
        delay_ms=_whole(answer.get("delayTime")),
        execution_ms=_whole(answer.get("executionTime")),
        worker_id=answer["workerId"] if isinstance(answer.get("workerId"), str) else None,
    )


def _status(word: object) -> RemoteStatus:
    """A word we do not know (RUNNING is listed too) means: not over, and perhaps costing money."""
    if not isinstance(word, str):
        raise AnswerLost("The GPU endpoint did not say how the job is.")
    return _WORDS.get(word, RemoteStatus.IN_PROGRESS)


def _sentence(error: object) -> str | None:
    """One line for a person. The SDK reports an exception as a JSON string whose traceback and paths stay behind."""
    if not error:
        return None
    if isinstance(error, str) and error.lstrip().startswith("{"):
        try:
            error = json.loads(error)
        except (ValueError, RecursionError):
            return "The worker failed."
    if isinstance(error, dict):
        error = error.get("error_message")
    if not isinstance(error, str) or not error.strip():
        return "The worker failed."
    lines = error.strip().splitlines()
    return lines[-1 if lines[0].startswith("Traceback") else 0].strip()[:500]


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _counts(answer: object, names: tuple[str, ...]) -> dict[str, int]:
    found = answer if isinstance(answer, dict) else {}
    return {name: _whole(found.get(name)) or 0 for name in names}
