"""FastAPI + Celery + Redis, as their docs set them up: a sync route that calls `delay`, results kept in Redis.

Two settings for many short tasks are those of Celery's optimizing guide: a large prefetch, and broker connections for
as many threads as use them (FastAPI runs sync routes in 40).
"""

from __future__ import annotations

import os

from celery import Celery
from fastapi import FastAPI

from benchmarks.peers.schema import Job, Taken

celery = Celery("peers", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])
celery.conf.update(worker_prefetch_multiplier=64, broker_pool_limit=40)
app = FastAPI()


@celery.task
def work(params: dict[str, object]) -> str:
    """Do nothing."""
    del params
    return "done"


@app.post("/jobs", status_code=202)
def create(job: Job) -> Taken:
    """Queue it."""
    return Taken(job_id=work.delay(job.params.model_dump()).id)
