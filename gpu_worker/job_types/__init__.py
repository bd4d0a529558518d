"""One file a job type, named after it: `run(params, context) -> Produced`, blocking, ended by killing its process.

It may have `check(params) -> None`, which raises EngineUnavailable or InvalidParams for what no input can mend. A type
whose engine is not part of this worker has that alone. Checks run in the worker's own process too, so no file here
loads at import what is large: torch and the like come inside `run`.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from gpu_worker.context import JobContext, Produced
from shared.job_types import AnyParams, JobType


def check_job(job_type: JobType, params: AnyParams) -> None:
    """Raise what can be said against a job by its params alone, before its inputs are fetched."""
    if check := getattr(_module(job_type), "check", None):
        check(params)


def run_job(job_type: JobType, params: AnyParams, context: JobContext) -> Produced:
    """Check and do the job in this process. Only the module of its own type is imported: TTS loads no video engine."""
    check_job(job_type, params)
    produced: Produced = _module(job_type).run(params, context)
    return produced


def _module(job_type: JobType) -> ModuleType:
    return import_module(f"gpu_worker.job_types.{job_type.value.lower()}")
