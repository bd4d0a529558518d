"""FastAPI + Huey on SQLite, with fsync, so that it promises what we promise."""

from __future__ import annotations

import os

from fastapi import FastAPI
from huey import SqliteHuey

from benchmarks.peers.schema import Job, Taken

huey = SqliteHuey(filename=os.environ["HUEY_FILE"], fsync=True)
app = FastAPI()


@huey.task()
def work(params: dict[str, object]) -> str:
    """Do nothing."""
    del params
    return "done"


@app.post("/jobs", status_code=202)
def create(job: Job) -> Taken:
    """Queue it."""
    return Taken(job_id=work(job.params.model_dump()).id)
