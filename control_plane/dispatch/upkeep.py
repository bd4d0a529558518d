"""Forgets what is old: events and deliveries in the table, leftovers in the stores, and outputs if the owner says so.

A claim or a `result.json` matters as long as a worker could still start or a backup that knows nothing of it could come
back; so leftovers stay for weeks, also those of a deleted job. What a finished job made, and the `result.json` that
describes it, stay for ever unless RETENTION_OUTPUT_DAYS is set.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from control_plane.clock import Clock
from control_plane.dispatch.removal import remove_job
from control_plane.jobs import queries, retention
from control_plane.jobs.records import JobRecord
from control_plane.jobs.table import JobTable
from shared.errors import Conflict, RushesError
from shared.states import JobStatus
from shared.storage.base import ObjectStore
from shared.storage.directory import StoreDirectory
from shared.wire import result_key

log = logging.getLogger(__name__)

EVERY_SECONDS = 3600.0
BATCH = 500
DAY_MS = 86_400_000


@dataclass(frozen=True)
class Retention:
    """For how many days things are kept: events and deliveries, leftovers in the stores, finished outputs."""

    event_days: int = 30
    leftover_days: int = 30
    output_days: int | None = None


class Upkeep:
    """`run` tidies up every hour until canceled."""

    def __init__(self, table: JobTable, stores: StoreDirectory, clock: Clock, keep: Retention) -> None:
        self._table = table
        self._stores = stores
        self._clock = clock
        self._keep = keep

    async def run(self) -> None:
        """For ever. A store that does not answer is asked again an hour later."""
        while True:
            try:
                await self.tidy()
            except RushesError as trouble:
                log.warning("upkeep: %s", trouble.message)
            except Exception:  # a mistake of ours must not end all tidying
                log.exception("upkeep")
            await asyncio.sleep(EVERY_SECONDS)

    async def tidy(self) -> None:
        """Once, all that is due."""
        await self._prune()
        await self._sweep()
        if self._keep.output_days is not None:
            await self._remove_jobs(self._days_ago(self._keep.output_days))

    def _days_ago(self, days: int) -> int:
        return self._clock() - days * DAY_MS

    async def _prune(self) -> None:
        before = self._days_ago(self._keep.event_days)
        for prune in (retention.prune_events, retention.prune_deliveries):
            while await self._table.do(prune, before, BATCH) == BATCH:
                pass

    async def _sweep(self) -> None:
        before = self._days_ago(self._keep.leftover_days)
        while due := self._table.ask(retention.due_sweeps, before, BATCH):
            for job_id in due:
                kept = _kept_keys(self._table.ask(queries.job_by_id, job_id))
                for store in self._stores.all:
                    await asyncio.to_thread(_sweep_store, store, job_id, kept)
                await self._table.do(retention.sweep_done, job_id)

    async def _remove_jobs(self, before: int) -> None:
        last: JobRecord | None = None
        while found := self._table.ask(retention.finished_before, before, last, BATCH):
            for job in found:
                try:
                    await remove_job(self._table, self._stores, job)
                except Conflict as needed:
                    log.info("job %s stays: %s", job.id, needed.message)
            last = found[-1]


def _kept_keys(job: JobRecord | None) -> set[str]:
    """What stays of a finished job: its outputs and the `result.json` that describes them."""
    if job is None or job.status is not JobStatus.SUCCEEDED:
        return set()
    return {output["key"] for output in job.outputs} | {result_key(job.id, job.attempts)}


def _sweep_store(store: ObjectStore, job_id: str, kept: set[str]) -> None:
    for found in list(store.list(f"jobs/{job_id}/")):
        if found.key not in kept:
            store.delete(found.key)
