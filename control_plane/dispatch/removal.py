"""Removes a finished job together with everything it left in the stores."""

from __future__ import annotations

import asyncio

from control_plane.jobs import queries, verbs
from control_plane.jobs.records import JobRecord
from control_plane.jobs.table import JobTable
from shared.errors import Conflict
from shared.storage.base import ObjectStore
from shared.storage.directory import StoreDirectory


async def remove_job(table: JobTable, stores: StoreDirectory, job: JobRecord) -> None:
    """Files first, then the row: what breaks off in between can be asked for again.

    Claims stay until upkeep sweeps them: without them a submission that still waits at the endpoint could start.
    Conflict while the job is not finished or another one needs its output; StorageFailed.
    """
    if not job.status.is_terminal:
        raise Conflict("The job is not finished: cancel it first", code="NOT_FINISHED")
    if (needing := table.ask(queries.needed_by, job.id)) is not None:
        raise Conflict(f"Job {needing} takes its input from this one and is not finished", code="INPUT_IN_USE")
    for name in {attempt.store for attempt in table.ask(queries.attempts_of_job, job.id)}:
        await asyncio.to_thread(_empty, stores.at(name), f"jobs/{job.id}/")
    await table.do(verbs.delete, job.id)


def _empty(store: ObjectStore, prefix: str) -> None:
    for found in list(store.list(prefix)):
        if not found.key.startswith(f"{prefix}claims/"):
            store.delete(found.key)
