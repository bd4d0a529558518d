"""Following jobs to their end over one stream of events, whatever becomes of the connection or the server.

The stream is opened first and the jobs are read then: what happens in between is in the stream, and what it repeats is
known by its version. A stream that breaks is resumed after its last event. Where there is none, the jobs are polled.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Any

import httpx

from control_plane.cli.client import Client, NoStream
from control_plane.cli.words import ApiError, say

POLL_SECONDS = 2.0
LONGEST_PAUSE = 5.0
FINAL = {"SUCCEEDED", "FAILED", "CANCELED"}
FIELDS = ("job_id", "type", "status", "progress", "stage", "stage_message", "error", "error_code", "version")
Tell = Callable[[dict[str, Any]], None]


class OutOfTime(Exception):
    """The jobs are not finished, and no more time is left to wait for them."""


@dataclass
class Watch:
    """`run` returns once all the jobs are finished; `tell` gets each change, as it is in the stream, in order."""

    client: Client
    ids: list[str]
    tell: Tell
    timeout: float = inf
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    _unfinished: set[str] = field(default_factory=set)
    _after: int | None = None
    _until: float = inf
    _lost: int = 0

    def run(self) -> dict[str, dict[str, Any]]:
        """How each job ended, by id. Raises OutOfTime, and ApiError for jobs there are not."""
        self._until = self.clock() + self.timeout
        self._unfinished = set(self.ids)
        while self._unfinished:
            try:
                self._stream()
            except NoStream:
                self._poll()
            except httpx.TransportError:
                if not self.states:
                    self.client.call("GET", "/healthz")
                self._pause()
        return self.states

    def _look(self) -> None:
        for job in reversed(self.client.jobs(self.ids)):
            self._hear({name: job[name] for name in FIELDS})

    def _hear(self, state: dict[str, Any]) -> None:
        """Only what is new; the event of a deletion has no version."""
        job_id = state["job_id"]
        known = self.states.get(job_id)
        if known is not None and state.get("version", known["version"] + 1) <= known["version"]:
            return
        now = self.states[job_id] = (known or {}) | state
        if now["status"] in FINAL:
            self._unfinished.discard(job_id)
        self.tell(now)

    def _stream(self) -> None:
        with self.client.events(self._after, self._until - self.clock()) as events:
            try:
                opening = next(events)
            except httpx.ReadTimeout as silent:  # something in between holds everything back
                self._check_time()
                raise NoStream from silent
            self._lost = 0
            if self._after is None:
                self._after = opening.id
                self._look()
            while self._unfinished and (event := next(events, None)):
                self._check_time()
                self._after = event.id
                if event.data.get("job_id") in self._unfinished:
                    self._hear(event.data)
        if self._unfinished:  # it ended in order: the server is about to
            self._pause()

    def _poll(self) -> None:
        while self._unfinished:
            try:
                self._look()
            except ApiError as trouble:
                if trouble.code is not None or not self.states:
                    raise
            if self._unfinished:
                self._check_time()
                self.sleep(min(POLL_SECONDS, max(self._until - self.clock(), 0)))

    def _pause(self) -> None:
        self._check_time()
        if self._lost == 2:
            say(f"{self.client.url} does not answer; waiting for it to come back")
        self.sleep(min(0.25 * 2**self._lost, LONGEST_PAUSE, max(self._until - self.clock(), 0)))
        self._lost += 1

    def _check_time(self) -> None:
        if self.clock() >= self._until:
            raise OutOfTime


def all_events(client: Client, tell: Tell) -> None:
    """Every change of every job from now on, for ever. ApiError where there is no stream, or no server at first."""
    after: int | None = None
    lost = 0
    while True:
        try:
            with client.events(after) as events:
                for event in events:
                    after, lost = event.id, 0
                    if event.data:
                        tell(event.data)
        except NoStream as missing:
            raise ApiError(f"{client.url} streams no events") from missing
        except httpx.TransportError as trouble:
            if after is None:
                raise ApiError(f"{client.url} does not answer: {trouble}") from trouble
        time.sleep(min(0.25 * 2**lost, LONGEST_PAUSE))
        lost += 1
