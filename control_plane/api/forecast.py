"""Where in the line a job stands, and between when and when it will be done: from its progress and the owner's history.

Points in time, not seconds left: an answer that is kept for a while stays true.
"""

from __future__ import annotations

from dataclasses import dataclass

from control_plane.clock import Clock
from control_plane.dispatch.monitor import EndpointMonitor
from control_plane.endpoints.directory import EndpointDirectory
from control_plane.jobs import queries
from control_plane.jobs.records import AttemptRecord, JobRecord
from control_plane.jobs.table import JobTable
from control_plane.ledger.estimate import estimate
from shared.job_types import JobType
from shared.states import JobStatus

LINE_MS = 3000
LINE_LENGTH = 1000
HISTORY_MS = 30_000
ENOUGH_PROGRESS = 5
"""Per cent. Before, downloading and loading have more to say than the work itself."""
BY_PROGRESS = (0.8, 1.5)
"""Of the time that the progress so far suggests for the whole: encoding at the end is slower than it looks."""
Range = tuple[float, float]


@dataclass(frozen=True)
class Finish:
    """Milliseconds since the epoch."""

    earliest: int
    latest: int


class Forecast:
    """Asks the table at most every few seconds, however many jobs are looked at."""

    def __init__(
        self,
        table: JobTable,
        endpoints: EndpointDirectory,
        monitor: EndpointMonitor,
        monitors: dict[JobType, EndpointMonitor],
        clock: Clock,
    ) -> None:
        self._table = table
        self._endpoints = endpoints
        self._monitor = monitor
        self._monitors = monitors
        self._clock = clock
        self._places: dict[str, int] = {}
        self._places_until = 0
        self._history: dict[tuple[JobType, str], tuple[int, Range | None]] = {}

    def place(self, job: JobRecord) -> int | None:
        """1: the next to start at its endpoint. None where a job is not in line, or behind the first thousand."""
        if job.status is not JobStatus.QUEUED:
            return None
        if self._clock() >= self._places_until:
            self._places, self._places_until = self._line(), self._clock() + LINE_MS
        return self._places.get(job.id)

    def _line(self) -> dict[str, int]:
        """Those at an endpoint go before those that wait here for a place at one."""
        places: dict[str, int] = {}
        lengths: dict[str, int] = {}
        for job_id, url, job_type in self._table.ask(queries.line, self._clock(), LINE_LENGTH):
            at = self._endpoints.for_type(job_type).url if job_type else url or ""
            places[job_id] = lengths[at] = lengths.get(at, 0) + 1
        return places

    def finish(self, job: JobRecord) -> Finish | None:
        """Between when and when, for a job that runs or is in line; None where nothing is known to tell it from."""
        if job.status.is_terminal or job.cancel_requested_at is not None:
            return None
        if job.status is JobStatus.QUEUED:
            return self._once_started(job)
        attempt = self._table.ask(queries.alive_attempt, job.id)
        if attempt is None or attempt.started_at is None:
            return None
        seconds = _by_progress(job, attempt.started_at) or self._usual_seconds(job.type, attempt.endpoint)
        return seconds and self._from(attempt, seconds)

    def _from(self, attempt: AttemptRecord, seconds: Range) -> Finish | None:
        started, now = attempt.started_at or 0, self._clock()
        latest = started + round(seconds[1] * 1000)
        return Finish(max(started + round(seconds[0] * 1000), now), latest) if latest > now else None

    def _once_started(self, job: JobRecord) -> Finish | None:
        place, url = self.place(job), self._endpoints.for_type(job.type).url
        run = self._usual_seconds(job.type, url)
        if place is None or run is None:
            return None
        monitor = self._monitors.get(job.type, self._monitor)
        workers = max(sum(monitor.seen.health.workers.get(state, 0) for state in ("running", "idle")), 1)
        usual = (monitor.usual.low_seconds, monitor.usual.high_seconds) if monitor.usual else (0, 0)
        low = max(usual[0], (place - 1) // workers * run[0]) + run[0]
        high = max(usual[1], -(-place // workers) * run[1]) + run[1]
        return Finish(self._clock() + round(low * 1000), self._clock() + round(high * 1000))

    def _usual_seconds(self, job_type: JobType, url: str) -> Range | None:
        until, found = self._history.get((job_type, url), (0, None))
        if self._clock() >= until:
            of_these = estimate(job_type, 0, self._table.ask(queries.recent_seconds, job_type, url))
            found = (of_these.low_seconds, of_these.high_seconds) if of_these.basis == "history" else None
            self._history[job_type, url] = self._clock() + HISTORY_MS, found
        return found


def _by_progress(job: JobRecord, started_at: int) -> Range | None:
    """Seconds of the whole run, when what is done by now went as fast as the rest will."""
    if not ENOUGH_PROGRESS <= job.progress < 100:
        return None
    whole = (job.updated_at - started_at) / 1000 / job.progress * 100
    return whole * BY_PROGRESS[0], whole * BY_PROGRESS[1]
