"""One file a job type, named after it: `run(params, context) -> Produced`, blocking, ended by killing its process."""

from __future__ import annotations

from importlib import import_module

from gpu_worker.context import JobContext, Produced
from shared.job_types import AnyParams, JobType


def run_job(job_type: JobType, params: AnyParams, context: JobContext) -> Produced:
    """Do the job in this process. Only the module of its own type is imported: a TTS job loads no video engine."""
    module = import_module(f"gpu_worker.job_types.{job_type.value.lower()}")
    produced: Produced = module.run(params, context)
    return produced
