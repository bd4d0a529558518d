"""The adapter to `runpod.serverless`, and nothing else: `python -m gpu_worker.handler` is the worker.

The SDK reads its own variables when it is imported. It takes strings alone in `error`, publishes the traceback of
whatever a handler raises, and prints every output at its default log level, so none of that happens here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import runpod
from runpod.serverless.modules.rp_logger import RunPodLogger

from gpu_worker import fitness, lifeline
from gpu_worker.executor import Executor, sweep
from gpu_worker.job_process import JobProcess
from gpu_worker.settings import WorkerSettings, job_environment
from gpu_worker.store import store_of
from shared.storage.local import LocalStore

_DAY = 86_400


def main() -> None:
    """Start the SDK's worker loop, or its single run when there is no platform or `--test_input` is given."""
    settings = WorkerSettings()
    if settings.rushes_lifeline_fd is not None:
        lifeline.watch(settings.rushes_lifeline_fd)
    sweep(Path(gettempdir()))

    @cache  # at the first job, since a store that cannot be opened is a matter of fitness
    def executor() -> Executor:
        return build_executor(settings)

    async def handler(job: dict[str, Any]) -> dict[str, Any]:
        update = partial(runpod.serverless.progress_update, job) if settings.runpod_webhook_post_output else None
        return await executor().execute(job, update)

    if RunPodLogger.level in ("NOTSET", "TRACE", "DEBUG"):
        RunPodLogger.level = "INFO"
    fitness.register(runpod.serverless.register_fitness_check, settings)
    runpod.serverless.start({"handler": handler})


def build_executor(settings: WorkerSettings) -> Executor:
    """The executor that these settings describe."""
    store = store_of(settings)

    def address(key: str) -> str:
        return store.path(key).as_uri() if isinstance(store, LocalStore) else store.signed_get(key, _DAY)

    lock = settings.rushes_lock_fd
    jobs = JobProcess(environment=job_environment(), pass_fds=() if lock is None else (lock,))
    return Executor(store=store, jobs=jobs, settings=settings, clock=lambda: datetime.now(UTC), address=address)


if __name__ == "__main__":
    main()
