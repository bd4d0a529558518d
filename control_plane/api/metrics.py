"""`GET /metrics` for Prometheus: what there is now is read at each scrape, what has happened is counted from then on.

Finished jobs are counted from their events, so that nothing is counted twice or missed however the writes went. The
library is loaded by the first scrape: who has no Prometheus does not pay for it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response

from control_plane.api.services import Services
from control_plane.clock import to_datetime
from control_plane.jobs import queries
from control_plane.jobs.records import FinishedJob
from control_plane.ledger.money import to_usd

if TYPE_CHECKING:
    from prometheus_client.core import Metric

router = APIRouter(include_in_schema=False)

BOUNDS = (1, 5, 15, 60, 300, 900, 3600, 14_400)
"""Upper bounds of a stage's seconds."""
STAGES = ("waiting", "running")


@dataclass
class Spread:
    """Durations: how many fell under each bound, and the sum of all."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """As Prometheus has them: each bound with all that is under it."""
        names = [*(f"{bound}.0" for bound in BOUNDS), "+Inf"]
        return [(name, float(sum(self.counts[: n + 1]))) for n, name in enumerate(names)]


class Metrics:
    """Counts of what has finished since it was made, and how long that took."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._seen = services.table.ask(queries.last_event_id)
        self._finished: Counter[tuple[str, str]] = Counter()
        self._outcomes: Counter[tuple[str, str]] = Counter()
        self._seconds: defaultdict[tuple[str, str], Spread] = defaultdict(Spread)

    def collect(self) -> Iterator[Metric]:
        """Every metric, as `prometheus_client` asks a collector for them."""
        self._count_finished()
        yield from self._jobs()
        yield from self._durations()
        yield from self._dispatch()
        yield from self._money()
        yield from self._workers()

    def _count_finished(self) -> None:
        table = self._services.table
        last = table.ask(queries.last_event_id)
        for job in table.ask(queries.finished_since, self._seen, last):
            self._note(job)
        self._seen = last

    def _note(self, job: FinishedJob) -> None:
        self._finished[job.type, job.status] += 1
        for outcome in job.outcomes:
            self._outcomes[job.type, outcome] += 1
        began = job.started_at or job.finished_at
        for stage, seconds in zip(STAGES, (began - job.created_at, job.finished_at - began), strict=True):
            self._seconds[job.type, stage].add(seconds / 1000)

    def _jobs(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        now = self._services.clock()
        held = GaugeMetricFamily("rushes_jobs", "Unfinished jobs.", labels=["type", "status", "stage"])
        oldest = GaugeMetricFamily(
            "rushes_oldest_job_age_seconds", "Age of the oldest of them.", labels=["type", "status"]
        )
        ages: defaultdict[tuple[str, str], float] = defaultdict(float)
        for line in self._services.table.ask(queries.unfinished_counts):
            held.add_metric([line.type, line.status, line.stage], line.jobs)
            ages[line.type, line.status] = max(ages[line.type, line.status], (now - line.oldest) / 1000)
        for labels, age in ages.items():
            oldest.add_metric(list(labels), age)
        finished = CounterMetricFamily("rushes_jobs_finished", "Jobs that have ended.", labels=["type", "status"])
        for labels, count in self._finished.items():
            finished.add_metric(list(labels), count)
        attempts = CounterMetricFamily(
            "rushes_attempts_ended",
            "Attempts of the jobs that have ended, by what became of them.",
            labels=["type", "outcome"],
        )
        for labels, count in self._outcomes.items():
            attempts.add_metric(list(labels), count)
        yield from (held, oldest, finished, attempts)

    def _durations(self) -> Iterator[Metric]:
        from prometheus_client.core import HistogramMetricFamily

        family = HistogramMetricFamily(
            "rushes_job_stage_seconds", "How long jobs that have ended waited and ran.", labels=["type", "stage"]
        )
        for labels, spread in self._seconds.items():
            family.add_metric(list(labels), spread.buckets(), spread.total)
        yield family

    def _dispatch(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily

        meters = self._services.dispatcher.meters
        refused = CounterMetricFamily(
            "rushes_dispatch_errors", "Submissions to an endpoint that got no id, by error code.", labels=["code"]
        )
        for code, count in meters.refusals.items():
            refused.add_metric([code], count)
        yield refused
        yield SummaryMetricFamily(
            "rushes_callback_seconds", "From taking a worker's callback in to having it in the table.",
            count_value=meters.callbacks, sum_value=meters.callback_seconds,
        )  # fmt: skip
        dead = self._services.table.ask(queries.dead_deliveries)
        yield GaugeMetricFamily("rushes_webhooks_dead", "Webhooks that were given up.", value=dead)

    def _money(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily

        today = to_datetime(self._services.clock()).date().isoformat()
        lines = self._services.table.ask(queries.spending, f"{today[:7]}-01", f"{today[:7]}-31")
        spent = GaugeMetricFamily("rushes_spent_usd", "Spent, by UTC day and month.", labels=["period", "type"])
        left = GaugeMetricFamily("rushes_budget_left_usd", "Cap less spent and reserved.", labels=["period"])
        caps = self._services.budget.caps
        for period, cap, begins in (("day", caps.day, today), ("month", caps.month, today[:7])):
            within = [line for line in lines if line.day.startswith(begins)]
            for kind in sorted({line.type for line in within}):
                spent.add_metric([period, kind], to_usd(sum(line.spent for line in within if line.type == kind)))
            if cap is not None:
                left.add_metric([period], to_usd(max(cap - sum(line.spent + line.reserved for line in within), 0)))
        yield from (spent, left)

    def _workers(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily

        up = GaugeMetricFamily(
            "rushes_endpoint_up", "1 when the endpoint answered its last health call.", labels=["endpoint"]
        )
        workers = GaugeMetricFamily("rushes_endpoint_workers", "Workers, by state.", labels=["endpoint", "state"])
        watched = {self._services.monitor, *self._services.monitors.values()}
        for monitor in {monitor.url: monitor for monitor in watched}.values():
            up.add_metric([monitor.url], float(monitor.seen.connected))
            for state, count in monitor.seen.health.workers.items():
                workers.add_metric([monitor.url, state], count)
        yield from (up, workers)


@router.get("/metrics")
async def get_metrics(request: Request) -> Response:
    """Everything that is counted, as Prometheus reads it."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import choose_encoder

    metrics: Metrics = request.app.state.metrics
    registry = CollectorRegistry(auto_describe=False)
    registry.register(metrics)
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(registry), media_type=content_type)
