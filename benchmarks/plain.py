"""The named baselines, by the same uvicorn. They store nothing and read nothing: what they answer lies in memory.

    python -m benchmarks.plain fastapi 8001 < job.json      # one job as `GET /jobs/{id}` answers it

`fastapi` has a route that takes a validated body and one with a response model, the model of our own answer;
`starlette` has one bare route that returns the same bytes.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from control_plane.api.schemas import JobDetail


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
    """What a submission is answered with."""

    job_id: str
    status: str


def fastapi(body: bytes) -> FastAPI:
    """As FastAPI's own tutorial has it."""
    app = FastAPI()
    stored: dict[str, Any] = json.loads(body)

    @app.post("/jobs", status_code=202)
    async def create(job: Job) -> Taken:
        return Taken(job_id=job.type, status="QUEUED")

    @app.get("/jobs/{job_id}", response_model=JobDetail)
    async def read(job_id: str) -> dict[str, Any]:
        return stored | {"job_id": job_id}

    return app


def starlette(body: bytes) -> Starlette:
    """One route, no middleware of its own."""

    async def read(_: Request) -> Response:
        return Response(body, media_type="application/json")

    return Starlette(routes=[Route("/jobs/{job_id}", read)])


def main() -> None:
    """Serve until killed."""
    build = {"fastapi": fastapi, "starlette": starlette}[sys.argv[1]]
    app = build(sys.stdin.buffer.read())
    uvicorn.run(app, port=int(sys.argv[2]), log_level="error", access_log=False, server_header=False)


if __name__ == "__main__":
    main()
