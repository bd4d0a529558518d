"""The body every server here validates."""

from __future__ import annotations

from pydantic import BaseModel


class Params(BaseModel):
    """As small as a TTS job's."""

    text: str
    voice_preset: str = "default"
    language: str = "en"
    speed: float = 1.0


class Job(BaseModel):
    """What is posted."""

    type: str
    params: Params


class Taken(BaseModel):
    """What is answered."""

    job_id: str
    status: str = "QUEUED"
