"""The server as the commands see it: requests that are tried again, problems as sentences, the stream of events."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import inf
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import httpx

from control_plane.cli.words import ApiError, UsageError, say
from control_plane.settings import LOOPBACK, ClientSettings

Job = dict[str, Any]
TRIES = 5
PASSING = {429, 502, 503, 504}
"""What a restart, a proxy in front of one, or a limit answers."""
REPEATABLE = ("/estimate", "/uploads", "/cancel")
LONGEST_PAUSE = 30.0
IDS_AT_ONCE = 200
SILENCE_SECONDS = 35.0
"""The stream says something every 15 seconds: two of these missed, and the connection is dead."""


class Event(NamedTuple):
    """One change of one job; `data` has its id, status, progress, stage and version."""

    id: int
    type: str
    data: dict[str, Any]


class NoStream(Exception):
    """What answers here does not stream events."""


class Client:
    """One server. Methods raise ApiError, with the server's own sentence."""

    def __init__(
        self, settings: ClientSettings, *, tries: int = TRIES, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        key = {"Authorization": f"Bearer {settings.key}"} if settings.key else {}
        self.url = settings.url
        self._http = httpx.Client(base_url=settings.url, timeout=60, headers=key, trust_env=not is_near(settings.url))
        self._tries = tries
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: dict[str, str] | None = None,
        query: Mapping[str, object] | None = None,
    ) -> httpx.Response:
        """The answer, once there is one. It is asked for again where that can help and cannot do anything twice."""
        wanted = {name: str(value) for name, value in (query or {}).items() if value is not None}
        repeatable = method != "POST" or "Idempotency-Key" in (headers or {}) or path.endswith(REPEATABLE)
        for left in reversed(range(self._tries)):
            try:
                answer = self._http.request(method, path, json=body, headers=headers, params=wanted)
            except httpx.TransportError as trouble:
                if not left or not (repeatable or isinstance(trouble, httpx.ConnectError)):
                    raise ApiError(f"{self.url} does not answer: {trouble}") from trouble
                answer = None
            if answer is not None and not (left and answer.status_code in PASSING):
                return checked(answer)
            if left == self._tries - 3:
                say(f"{self.url} does not answer; trying again")
            self._sleep(_pause(answer, self._tries - left))
        raise AssertionError

    def get(self, path: str, **query: object) -> Any:  # noqa: ANN401 - any JSON
        """The JSON at a path."""
        return self.call("GET", path, query=query).json()

    def post(self, path: str, body: object = None, *, key: str | None = None) -> Any:  # noqa: ANN401 - any JSON
        """The JSON that answers a POST; with an idempotency key it may be sent again."""
        headers = {"Idempotency-Key": key} if key else {}
        return self.call("POST", path, body, headers=headers).json()

    def jobs(self, ids: list[str]) -> list[Job]:
        """These jobs. ApiError when one of them is not there."""
        found: list[Job] = []
        for start in range(0, len(ids), IDS_AT_ONCE):
            answer = self.call("GET", "/jobs", query={"ids": ",".join(ids[start : start + IDS_AT_ONCE])})
            if unknown := answer.headers.get("Unknown-Ids"):
                raise ApiError(f"There is no job {unknown.replace(',', ', ')}")
            found += answer.json()
        return found

    @contextmanager
    def events(self, after: int | None, seconds: float = inf) -> Iterator[Iterator[Event]]:
        """Events of all jobs from now on, or after an id. The first, and each sign of life, has no data.

        Raises httpx.TransportError when the connection is lost or silent (for `seconds`, if that is less), NoStream
        where there is no such stream.
        """
        resume = {} if after is None else {"Last-Event-ID": str(after)}
        patience = httpx.Timeout(10, read=min(SILENCE_SECONDS, max(seconds, 0.01)))
        with self._http.stream("GET", "/events", headers=resume, timeout=patience) as answer:
            if answer.status_code in PASSING:
                raise httpx.RemoteProtocolError(f"{self.url} answered {answer.status_code}")
            if answer.status_code in (401, 403):
                answer.read()
                checked(answer)
            if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                raise NoStream
            yield _events(answer.iter_lines(), after or 0)


def _events(lines: Iterator[str], last_id: int) -> Iterator[Event]:
    """As WHATWG HTML, 9.2.6, for what this server writes: one line of data an event."""
    block: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line:
            block[name] = value
        else:
            last_id = int(block.get("id", last_id))
            yield Event(last_id, block.get("event", ""), json.loads(block.get("data", "{}")))
            block = {}


def is_near(url: str) -> bool:
    """Is it on this machine, where no proxy stands between?"""
    return urlsplit(url).hostname in LOOPBACK


def checked(answer: httpx.Response) -> httpx.Response:
    """The answer; when it is a problem ApiError with the server's sentence, UsageError where the request was wrong."""
    if answer.is_success:
        return answer
    try:
        problem = answer.json()
        sentence, code = problem["detail"], problem["code"]
        wrong = [f"{field['field']}: {field['detail']}" for field in problem["errors"]]
    except (ValueError, KeyError, TypeError):
        raise ApiError(f"{answer.request.url.host} answered {answer.status_code}") from None
    said = "\n".join(wrong) if len(wrong) > 1 else sentence
    if answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
        raise UsageError(said)
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        said = f"{answer.request.url.host} wants a key, or another one: set RUSHES_API_KEY"
    raise ApiError(said, code)


def _pause(answer: httpx.Response | None, tried: int) -> float:
    """Seconds: what the server asks for, or twice as long each time."""
    asked = "" if answer is None else answer.headers.get("Retry-After", "")
    return min(float(asked) if asked.isdigit() else 0.25 * 2**tried, LONGEST_PAUSE)
