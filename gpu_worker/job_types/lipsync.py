"""LIPSYNC: a face made to speak a recording."""

from __future__ import annotations

from gpu_worker.context import JobContext, Produced
from shared.errors import EngineUnavailable
from shared.job_types import LipsyncParams


def run(params: LipsyncParams, context: JobContext) -> Produced:  # noqa: ARG001 - the signature of every job type
    """Raise EngineUnavailable: no lip-sync engine is part of this worker."""
    raise EngineUnavailable("LIPSYNC needs the Wav2Lip engine, which this worker doesn't have yet.")
