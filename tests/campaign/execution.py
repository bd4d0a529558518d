"""One simulated worker's time with one job: what it did, its GPU work that is a timer, the store as it reaches it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpu_worker.context import Produced, ProducedFile, Report
from gpu_worker.job_process import JobOrder, JobProcess, Keep
from shared.errors import RushesError, StorageFailed
from shared.storage.base import StoredObject
from shared.storage.local import LocalStore
from shared.wire import Claim, Result, claim_key, result_key
from tests.campaign.trouble import StoreTrouble


@dataclass
class Execution:
    """One worker that took one submission: what it did, in seconds since the epoch, None for what never happened."""

    number: int
    job_id: str
    attempt: int
    runpod_id: str
    worker: str
    taken_at: float
    clock_error: float = 0.0
    handled_at: float | None = None
    claimed_at: float | None = None
    run: int = 0
    lease_until: float = 0.0
    work_began: float | None = None
    work_ended: float | None = None
    put: str | None = None
    put_at: float | None = None
    completed_at: float | None = None
    left_at: float | None = None
    how: str = "is still there"

    @property
    def live_until(self) -> float | None:
        """When its GPU work stopped; None where it never held the job."""
        if self.claimed_at is None or self.work_began is None:
            return self.claimed_at
        return self.work_ended or time.time()

    @property
    def seconds(self) -> float:
        """How long the handler ran: what RunPod calls the execution time."""
        return 0.0 if self.handled_at is None else (self.left_at or time.time()) - self.handled_at


class TimedWork(JobProcess):
    """The GPU's part: it takes its time and writes one small file, or fails."""

    def __init__(self, execution: Execution, seconds: float, failure: RushesError | None) -> None:
        super().__init__()
        self._execution = execution
        self._seconds = seconds
        self._failure = failure

    async def run(self, order: JobOrder, report: Report, keep: Keep | None = None, *_: object) -> Produced:
        """See JobProcess. It keeps nothing for a next try."""
        self._execution.work_began = time.time()
        try:
            for step in range(4):
                report("rendering", 25 * step)
                await asyncio.sleep(self._seconds / 4)
        finally:
            self._execution.work_ended = time.time()
        if self._failure is not None:
            raise self._failure
        path = order.workdir / "speech.wav"
        path.write_bytes(b"RIFF")
        return Produced([ProducedFile(path, "audio", "audio/wav")], {"name": "fleet"})


class WorkerStore:
    """The store as one worker reaches it: in trouble when the store is, gone when the worker is dead.

    Notes what took effect, by the time before it was asked for. Without `obeys_claims` a claim that is taken looks won.
    """

    def __init__(
        self,
        store: LocalStore,
        trouble: StoreTrouble,
        execution: Execution,
        note: Callable[[str], None],
        *,
        obeys_claims: bool,
    ) -> None:
        self.is_cut_off = False
        self._store = store
        self._trouble = trouble
        self._execution = execution
        self._tell = note
        self._obeys_claims = obeys_claims
        self._own_claim: bytes | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def get(self, key: str, max_bytes: int = 1_000_000) -> StoredObject | None:
        if self._own_claim is not None and self._is_claim(key):
            return StoredObject(self._own_claim, "ours")
        return self._call(self._store.get, key, max_bytes)  # type: ignore[no-any-return]

    def put_if_absent(self, key: str, body: bytes, content_type: str = "application/json") -> str | None:
        return self._call(self._create, key, body, content_type)  # type: ignore[no-any-return]

    def put_if_match(self, key: str, body: bytes, etag: str, content_type: str = "application/json") -> str | None:
        return self._call(self._replace, key, body, etag, content_type)  # type: ignore[no-any-return]

    def upload(self, path: Path, key: str, content_type: str) -> None:
        self._call(self._store.upload, path, key, content_type)

    def _call(self, act: Any, *args: Any) -> Any:
        if self.is_cut_off:
            raise StorageFailed(retryable=False)
        return self._trouble.call(act, *args)

    def _create(self, key: str, body: bytes, content_type: str) -> str | None:
        now = time.time()
        etag = self._store.put_if_absent(key, body, content_type)
        if etag is None and self._is_claim(key) and not self._obeys_claims:
            self._own_claim, etag = body, "ours"
        if etag is not None:
            self._note(key, body, now)
        return etag

    def _replace(self, key: str, body: bytes, etag: str, content_type: str) -> str | None:
        now = time.time()
        if self._own_claim is not None:
            self._own_claim, replaced = body, "ours"
        else:
            replaced = self._store.put_if_match(key, body, etag, content_type) or ""
        if replaced:
            self._note(key, body, now)
        return replaced or None

    def _is_claim(self, key: str) -> bool:
        return key == claim_key(self._execution.job_id, self._execution.attempt)

    def _note(self, key: str, body: bytes, now: float) -> None:
        execution = self._execution
        if self._is_claim(key):
            claim = Claim.model_validate_json(body)
            execution.claimed_at = execution.claimed_at or now
            execution.run = claim.run
            execution.lease_until = claim.expires_at.timestamp() - execution.clock_error
            self._tell(f"holds the claim until {execution.lease_until:.3f}")
        elif key == result_key(execution.job_id, execution.attempt):
            result = Result.model_validate_json(body)
            execution.put_at = now
            execution.put = "canceled" if result.canceled else result.error.code if result.error else "ok"
            self._tell(f"put its result: {execution.put}")
