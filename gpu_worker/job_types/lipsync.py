"""LIPSYNC: a face made to speak a recording."""

from __future__ import annotations

from shared.errors import EngineUnavailable
from shared.job_types import LipsyncParams


def check(params: LipsyncParams) -> None:  # noqa: ARG001 - the signature of every job type
    """Raise EngineUnavailable: no lip-sync engine is part of this worker."""
    raise EngineUnavailable("LIPSYNC needs the Wav2Lip engine, which this worker doesn't have yet.")
