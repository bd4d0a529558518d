"""Asks an endpoint how it is, every few seconds, and tells the jobs that wait there why they wait."""

from __future__ import annotations

import asyncio
import logging

from control_plane.clock import Clock
from control_plane.dispatch.waiting import PASSES_BY_ITSELF, Seen, UsualWait, Waiting, explain, usual_wait
from control_plane.endpoints.port import LOCAL, Endpoint, EndpointError
from control_plane.jobs import queries, verbs
from control_plane.jobs.table import JobTable
from shared.errors import RushesError

log = logging.getLogger(__name__)

EVERY_SECONDS = 5.0
WHILE_DOWN_SECONDS = 0.5


class EndpointMonitor:
    """`seen` and `waiting` are always there, `usual` once there is history; `run` keeps them fresh until canceled."""

    def __init__(self, endpoint: Endpoint, table: JobTable, clock: Clock) -> None:
        self._endpoint = endpoint
        self._table = table
        self._clock = clock
        self._queued_since: int | None = None
        self._progress_mark: tuple[int, ...] = ()
        self.seen = Seen()
        self.waiting = Waiting("waiting_for_worker", "Waiting for a worker")
        self.usual: UsualWait | None = None

    @property
    def url(self) -> str:
        """The endpoint's address, or `local`."""
        return self._endpoint.url

    @property
    def is_local(self) -> bool:
        """True for the built-in endpoint."""
        return self._endpoint.url == LOCAL

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            try:
                await self.look()
            except RushesError as trouble:
                log.warning("endpoint %s: %s", self.url, trouble.message)
            await asyncio.sleep(EVERY_SECONDS if self.seen.connected else WHILE_DOWN_SECONDS)

    async def look(self) -> None:
        """Ask once, and pass on what it means for those who wait."""
        try:
            self.seen = Seen(True, "Connected", await self._endpoint.health())
        except EndpointError as error:
            self.seen = Seen(False, error.message)
        before, self.waiting = self.waiting, explain(self.seen, self._seconds_queued())
        if self.waiting.stage != before.stage:
            self._log_change()
        self.usual = self._usual_wait(self.waiting.stage)
        told = (self.waiting.message, f"; {self.usual.words}" if self.usual else "")
        await self._table.do(verbs.explain_waiting, self.url, self.waiting.stage, told, self._clock())

    def _log_change(self) -> None:
        """Once for each change: trouble that lasts fills no log."""
        level = logging.WARNING if self.waiting.advice else logging.INFO
        words = [word for word in (self.waiting.message, self.waiting.advice) if word]
        log.log(level, "endpoint %s: %s: %s", self.url, self.waiting.stage, ". ".join(words))

    def _usual_wait(self, stage: str) -> UsualWait | None:
        if stage not in PASSES_BY_ITSELF:
            return None
        return usual_wait(self._table.ask(queries.recent_waits, self.url, stage))

    def _seconds_queued(self) -> float:
        """For how long there has been a queue without any job leaving it; a missing answer says nothing new."""
        now, jobs = self._clock(), self.seen.health.jobs
        mark = tuple(jobs.get(name, 0) for name in ("inProgress", "completed", "failed"))
        if self.seen.connected and (not jobs.get("inQueue") or mark != self._progress_mark):
            self._queued_since = now
        if self.seen.connected:
            self._progress_mark = mark
        return (now - (self._queued_since or now)) / 1000
