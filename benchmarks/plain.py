"""The named baseline: one FastAPI route that takes a validated body, one with a response model. Nothing is stored."""

from __future__ import annotations

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


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


class Answer(BaseModel):
    """What is answered."""

    job_id: str
    status: str
    progress: int
    output_urls: list[str]
    params: Params


@app.post("/jobs", status_code=202)
async def create(job: Job) -> Answer:
    """Validate and answer."""
    return Answer(job_id="1", status="QUEUED", progress=0, output_urls=[], params=job.params)


@app.get("/jobs/{job_id}")
async def read(job_id: str) -> Answer:
    """Answer through a response model."""
    return Answer(job_id=job_id, status="QUEUED", progress=0, output_urls=[], params=Params(text="hello"))
