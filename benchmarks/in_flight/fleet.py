"""A RunPod with thousands of simulated workers, the bucket they write to, and a client that listens to the plane.

    python -m benchmarks.in_flight.fleet '<terms as JSON>'      # prints its port; then one command a line

A process of its own, so that nothing it does counts as the plane's. The workers do what real ones do on the wire:
claim, callback at each step, `result.json`, a last callback, and RunPod's webhook. Every message carries the moment it
is true from, so the client that reads it back as an event knows how old it is.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import Any
from urllib.parse import urlsplit

import uvloop

from benchmarks.in_flight.http import Answer, EventReader, Poster, Server
from benchmarks.in_flight.seed import Running
from shared.wire import Claim, OutputFile, Result, claim_key, result_key

LEASE = timedelta(minutes=3)
RATE_LIMIT = 2000
"""Calls of /status in any ten seconds (RunPod docs)."""
SUBMISSION = b'{"type":"RENDER","params":{"prompt":"a quiet harbour at dawn"}}'
BUCKET = "bench"


@dataclass(frozen=True)
class Terms:
    """`jobs` in flight that last `minutes` and report `every` so many seconds; seconds until a new one starts."""

    jobs: int
    minutes: float
    every: float
    callbacks: bool
    cold_start: tuple[float, float] = (1.0, 5.0)


@dataclass
class Job:
    """One submission and its worker."""

    id: str
    job_id: str
    token: str
    callback: str | None = None
    webhook: str | None = None
    status: str = "IN_QUEUE"
    began: float = 0.0
    ends: float = 0.0
    seq: int = 0
    output: dict[str, Any] | None = None


class Fleet:
    """Everything but the plane."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._jobs: dict[str, Job] = {}
        self._by_job: dict[str, Job] = {}
        self._bucket: dict[str, bytes] = {}
        self._finished_at: dict[str, float] = {}
        self._started_at: dict[str, float] = {}
        self._loop = asyncio.get_running_loop()
        self._random = random.Random(7)
        self._poster: Poster | None = None
        self.reset()

    def reset(self) -> None:
        """Begin to measure."""
        self._since = time.monotonic()
        self._ages: defaultdict[str, list[float]] = defaultdict(list)
        self._status_calls: list[float] = []
        self._calls: Counter[str] = Counter()

    async def go(self, plane_url: str, key: str) -> None:
        """The workers start to work, the client to listen."""
        host, port = urlsplit(plane_url).hostname or "", urlsplit(plane_url).port or 80
        await self._loop.create_connection(lambda: EventReader(f"{host}:{port}", key, self._heard), host, port)
        self._poster = Poster(host, port, key)
        for number in range(1, self._terms.jobs + 1):
            seeded = Running(number)
            callback = f"/callbacks/{seeded.token}" if self._terms.callbacks else None
            job = Job(seeded.runpod_id, seeded.job_id, seeded.token, callback)
            job.began = time.monotonic() - self._random.random() * self._terms.minutes * 60
            self._run(job)

    # RunPod's side

    def answer(self, method: str, path: str, head: bytes, body: bytes) -> Answer:
        """One request of the plane."""
        if path.startswith(f"/{BUCKET}/"):
            self._calls["bucket"] += 1
            return self._object(method, path.removeprefix(f"/{BUCKET}/").split("?")[0], head, body)
        operation = path.split("/")[3]
        self._calls[operation] += 1
        match operation:
            case "run":
                return self._take(json.loads(body))
            case "status":
                return self._status(path.split("/")[4])
            case "health":
                return _json({"jobs": {"inProgress": len(self._jobs)}, "workers": {"running": len(self._jobs)}})
            case _:
                return _json({})

    def _take(self, body: dict[str, Any]) -> Answer:
        asked = body["input"]
        callback = urlsplit(asked["callback_url"]).path if asked["callback_url"] else None
        webhook = urlsplit(body["webhook"]).path if body.get("webhook") else None
        job = Job(f"new-{self._random.getrandbits(64):x}", asked["job_id"], asked["token"], callback, webhook)
        self._jobs[job.id] = self._by_job[job.job_id] = job
        self._loop.call_later(self._random.uniform(*self._terms.cold_start), self._start, job)
        return _json({"id": job.id, "status": "IN_QUEUE"})

    def _status(self, runpod_id: str) -> Answer:
        now = time.monotonic()
        self._status_calls.append(now)
        if len(self._status_calls) > RATE_LIMIT and self._status_calls[-RATE_LIMIT - 1] > now - 10:
            self._calls["status refused with 429"] += 1
            return Answer(429)
        job = self._jobs.get(runpod_id)
        if job is None:
            return Answer(404)
        times = {"delayTime": 900, "executionTime": round((now - job.began) * 1000), "workerId": "w"}
        shown = {} if job.status == "IN_QUEUE" else times
        return _json({"id": job.id, "status": job.status, **shown, **({"output": job.output} if job.output else {})})

    def _object(self, method: str, key: str, head: bytes, body: bytes) -> Answer:
        found = self._bucket.get(key) or self._claim(key)
        match method:
            case "GET" if found is None:
                return Answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            case "GET":
                return Answer(200, found or b"", _etag(found or b""))
            case "DELETE":
                self._bucket.pop(key, None)
                return Answer(204)
            case _:
                return self._put(key, head, body, found)

    def _put(self, key: str, head: bytes, body: bytes, found: bytes | None) -> Answer:
        taken = b"\r\nif-none-match:" in head and found is not None
        changed = b"\r\nif-match:" in head and _etag(found or b"").encode() not in head
        if taken or changed:
            return Answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
        self._bucket[key] = body
        return Answer(200, etag=_etag(body))

    def _claim(self, key: str) -> bytes | None:
        """Of a job that runs: as if its worker had renewed it just now."""
        parts = key.split("/")
        job = self._by_job.get(parts[1]) if len(parts) == 4 and parts[2] == "claims" else None
        if job is None or not job.began or key != claim_key(job.job_id, 1):
            return None
        now = datetime.now(UTC)
        claim = Claim(
            token=job.token, runpod_job_id=job.id, worker_id="w", run=1, claimed_at=now, expires_at=now + LEASE
        )
        return claim.model_dump_json().encode()

    # The workers' side

    def _start(self, job: Job) -> None:
        job.began = self._started_at[job.job_id] = time.monotonic()
        self._run(job)
        self._tell(job, "downloading", 0)

    def _run(self, job: Job) -> None:
        self._jobs[job.id] = self._by_job[job.job_id] = job
        job.status = "IN_PROGRESS"
        job.ends = job.began + self._terms.minutes * 60
        first = self._random.random() * self._terms.every
        self._loop.call_at(self._loop.time() + first, self._step, job)

    def _step(self, job: Job) -> None:
        now = time.monotonic()
        if now >= job.ends:
            self._finish(job, now)
            return
        share = (now - job.began) / (job.ends - job.began)
        self._tell(job, "rendering", round(100 * share))
        self._loop.call_later(self._terms.every * self._random.uniform(0.8, 1.2), self._step, job)

    def _tell(self, job: Job, stage: str, progress: int) -> None:
        job.seq += 1
        message = f"step {job.seq} @{time.monotonic():.5f}"
        report = {"job_id": job.job_id, "attempt": 1, "run": 1, "seq": job.seq, "stage": stage, "progress": progress}
        if job.callback is None:
            job.output = {**report, "message": message}
        elif self._poster is not None:
            self._poster.post(job.callback, json.dumps({**report, "message": message}).encode())

    def _finish(self, job: Job, now: float) -> None:
        self._finished_at[job.job_id] = now
        file = OutputFile(
            key=f"jobs/{job.job_id}/1/1/video.mp4", kind="video", content_type="video/mp4", bytes=1, sha256="0" * 64
        )
        result = Result(job_id=job.job_id, attempt=1, run=1, outputs=[file], timings={"run": now - job.began})
        self._bucket[result_key(job.job_id, 1)] = result.model_dump_json(exclude_none=True).encode()
        self._tell(job, "finished", 100)
        self._loop.call_later(0.1, self._complete, job)

    def _complete(self, job: Job) -> None:
        job.status, job.output = "COMPLETED", {"done": True}
        if self._poster is not None:
            if job.webhook:
                self._poster.post(job.webhook, json.dumps({"id": job.id, "status": "COMPLETED"}).encode())
            self._poster.post("/jobs", SUBMISSION)  # and the next one comes in its place

    # The client's side

    def _heard(self, data: bytes) -> None:
        event, now = json.loads(data), time.monotonic()
        _, stamped, moment = event["stage_message"].partition("@")
        if stamped:
            self._ages["progress"].append(now - float(moment))
        elif event["status"] == "RUNNING" and (began := self._started_at.pop(event["job_id"], None)):
            self._ages["started"].append(now - began)
        elif event["status"] == "SUCCEEDED" and (ended := self._finished_at.pop(event["job_id"], None)):
            self._ages["finished"].append(now - ended)
        elif event["status"] == "FAILED":
            self._calls["failed jobs"] += 1

    def report(self) -> dict[str, Any]:
        """What was measured since `reset`. Ages in seconds."""
        seconds = time.monotonic() - self._since
        self._ages["any change"] = [age for ages in self._ages.values() for age in ages]
        return {
            "seconds": seconds,
            "ages": {kind: _spread(sorted(ages)) for kind, ages in self._ages.items() if ages},
            "calls": dict(self._calls),
            "most status calls in 10 s": _most_within(self._status_calls, 10.0),
            "refused": self._poster.refused if self._poster else 0,
            "open": {"started": len(self._started_at), "finished": len(self._finished_at)},
        }


def _json(content: dict[str, Any]) -> Answer:
    return Answer(200, json.dumps(content).encode())


def _etag(body: bytes) -> str:
    return f'"{md5(body).hexdigest()}"'


def _spread(ages: list[float]) -> dict[str, float]:
    return {"count": len(ages), "p50": ages[len(ages) // 2], "p99": ages[int(len(ages) * 0.99)], "max": ages[-1]}


def _most_within(moments: list[float], seconds: float) -> int:
    most = first = 0
    for last, moment in enumerate(moments):
        while moments[first] < moment - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


async def main() -> None:
    """Serve, and do as told on standard input until it closes."""
    fleet = Fleet(Terms(**json.loads(sys.argv[1])))
    server = await asyncio.get_running_loop().create_server(lambda: Server(fleet.answer), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        match line.split():
            case ["go", url, key]:
                await fleet.go(url, key)
            case ["reset"]:
                fleet.reset()
            case _:
                print(json.dumps(fleet.report()), flush=True)


def terms_json(terms: Terms) -> str:
    """For the command line."""
    return json.dumps(asdict(terms))


if __name__ == "__main__":
    uvloop.run(main())
