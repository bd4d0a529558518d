"""One job from the SDK's dict to the SDK's answer: parse → claim → check → fetch → run → upload → report.

Everything after the claim happens under `lease.hold`, so that whoever loses the claim has stopped the job, and the
outcome is in the bucket before it is returned. A person sees one sentence; tracebacks go to the log alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import logging
import os
import re
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import ValidationError

from gpu_worker import inputs, lease, twins
from gpu_worker.checkpoints import Checkpoints
from gpu_worker.context import Produced, ProducedFile
from gpu_worker.job_process import JobOrder, JobProcess, JobProcessDied, OrderCheckpoints
from gpu_worker.job_types import check_job
from gpu_worker.lease import AlreadyDecided, ClaimLost, Hold, LeaseLost, Terms, Unclaimed, hold, persistently
from gpu_worker.progress import ProgressSender, SdkUpdate
from gpu_worker.settings import WorkerSettings
from shared.errors import InvalidParams, InvalidRequest, RushesError, StorageFailed, WorkerLost
from shared.job_types import AnyParams, parse_params
from shared.references import check_key
from shared.storage.base import ObjectStore
from shared.twins import Twin, TwinCard
from shared.wire import PROTOCOL, Failure, OutputFile, Progress, Result, WorkerInput, result_key

MAX_RUNS = 3
_CANCEL_PATIENCE = 10.0
_MANUAL_DEADLINE = timedelta(days=1)
_log = logging.getLogger(__name__)


class ProtocolMismatch(RushesError):
    """The control plane and this worker speak different versions: update the older one."""

    code = "PROTOCOL_MISMATCH"


class StartTooLate(RushesError):
    """The job reached a worker after the latest moment it was to start."""

    code = "START_TOO_LATE"
    retryable = True


class DeadlineExceeded(RushesError):
    """The job took longer than it may."""

    code = "DEADLINE_EXCEEDED"


@dataclass
class Task:
    """One job on its way: each step adds what the next ones need. `manual` when it was sent by hand, unclaimed."""

    input: WorkerInput
    runpod_id: str
    manual: bool
    held: Hold = field(default_factory=Unclaimed)
    files: dict[str, Path] = field(default_factory=dict)
    produced: Produced = field(default_factory=lambda: Produced([]))
    outputs: list[OutputFile] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    refresh_worker: bool = False

    def result(self, *, error: Failure | None = None, canceled: bool = False) -> Result:
        """How the attempt ended, as far as this worker can tell. Only a success has outputs."""
        return Result(
            job_id=self.input.job_id,
            attempt=self.input.attempt,
            run=self.held.run,
            outputs=[] if error or canceled else self.outputs,
            engine=self.produced.engine,
            timings=self.timings,
            error=error,
            canceled=canceled,
        )


class Executor:
    """Runs jobs one after another. `address` gives the URL of a key, for people who send jobs by hand."""

    def __init__(
        self,
        *,
        store: ObjectStore,
        jobs: JobProcess,
        settings: WorkerSettings,
        clock: Callable[[], datetime],
        address: Callable[[str], str],
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._settings = settings
        self._clock = clock
        self._address = address

    async def execute(self, job: dict[str, Any], sdk_update: SdkUpdate | None = None) -> dict[str, Any]:
        """Do one job and return what the SDK is to answer. Raises nothing but CancelledError, the job dead by then."""
        try:
            task = parse(job, self._clock())
            await self._claim(task)
            return await self._work(task, sdk_update)
        except ClaimLost as lost:
            return {"claim_lost": True, "holder": lost.holder} | ({} if lost.holder else {"canceled": True})
        except AlreadyDecided as decided:
            return _answer(decided.result)
        except Exception as error:  # noqa: BLE001 - the SDK would publish the traceback
            failure = _explain(error)
            return {"error": f"{failure.code}: {failure.message}"}

    async def _claim(self, task: Task) -> None:
        if not task.manual:
            terms = Terms(
                task.runpod_id,
                self._settings.runpod_pod_id,
                self._settings.claim_lease_seconds,
                self._settings.storage_patience_seconds,
                self._clock,
            )
            task.held = await lease.take(self._store, task.input, terms)

    async def _work(self, task: Task, sdk_update: SdkUpdate | None) -> dict[str, Any]:
        first = Progress(
            job_id=task.input.job_id,
            attempt=task.input.attempt,
            run=task.held.run,
            seq=0,
            stage="started",
            progress=0,
        )
        with TemporaryDirectory(prefix=f"rushes-{os.getpid()}-", ignore_cleanup_errors=True) as folder:
            async with ProgressSender(first, task.input.callback_url, sdk_update) as progress:
                try:
                    result = await hold(task.held, self._outcome(task, progress, Path(folder)))
                except asyncio.CancelledError:
                    # `wait` leaves its task alone when it is canceled again or runs out of time.
                    await asyncio.wait({asyncio.create_task(self._decide_canceled(task))}, timeout=_CANCEL_PATIENCE)
                    await progress.finish()
                    raise
                await progress.finish()
        return self._complete(task, _answer(result))

    async def _outcome(self, task: Task, progress: ProgressSender, folder: Path) -> Result:
        """Fetch, run and upload, then decide the attempt by whatever came of it."""
        try:
            async with _deadline(task.input.deadline_seconds):
                _count_runs(task)
                params = _checked(task)
                await self._fetch(task, params, progress, folder / "inputs")
                await self._run(task, progress, folder)
                await self._upload(task, progress)
            result = task.result()
        except LeaseLost:
            raise
        except Exception as error:  # noqa: BLE001 - every failure must be decided, or the attempt would hang
            task.refresh_worker = isinstance(error, JobProcessDied) or getattr(error, "refresh_worker", False)
            result = task.result(error=_explain(error))
        decided = await task.held.decide(result)
        if decided.error is None:
            await Checkpoints(self._store, task.input.job_id).clear()
        if task.produced.twin and (decided.error or decided.canceled):
            await asyncio.to_thread(twins.withdraw, self._store, task.produced.twin.name, task.input.job_id)
        return decided

    async def _fetch(self, task: Task, params: AnyParams, progress: ProgressSender, folder: Path) -> None:
        with _timed(task, "fetch"):
            folder.mkdir()
            report = progress.within(0, 5)
            task.files = await inputs.bring(params, folder, self._store, self._settings, report)

    async def _run(self, task: Task, progress: ProgressSender, folder: Path) -> None:
        with _timed(task, "run"):
            kept = Checkpoints(self._store, task.input.job_id)
            order = self._order(task, folder)
            try:
                await kept.restore(folder / "restored")
                task.produced = await self._jobs.run(order, progress.within(5, 95), kept.send, progress.preview)
            finally:
                await kept.stop()

    def _order(self, task: Task, folder: Path) -> JobOrder:
        workdir, outbox = folder / "work", folder / "outbox"
        workdir.mkdir()
        outbox.mkdir()
        checkpoints = OrderCheckpoints(folder / "restored", outbox)
        model_dir = self._settings.model_dir
        return JobOrder(task.input.job_type, task.input.params, workdir, task.files, model_dir, checkpoints)

    async def _upload(self, task: Task, progress: ProgressSender) -> None:
        with _timed(task, "upload"):
            await task.held.check()
            report, files = progress.within(95, 100), task.produced.files
            for number, file in enumerate(files):
                report("uploading", 100 * number // len(files), file.path.name)
                task.outputs.append(await self._upload_one(task, file))
            if task.produced.twin:
                await self._register(task, task.produced.twin)
            report("uploading", 100)

    async def _register(self, task: Task, card: TwinCard) -> None:
        made = task.outputs[0]
        twin = Twin(
            **card.model_dump(),
            job_id=task.input.job_id,
            created_at=self._clock(),
            bytes=made.bytes,
            sha256=made.sha256,
        )
        patience, path = self._settings.storage_patience_seconds, task.produced.files[0].path
        has_name = await persistently(patience, twins.register, self._store, twin, path)
        task.produced.engine["lora"] = card.name if has_name else made.key
        if not has_name:
            task.produced.engine["name_taken"] = f"Another job made a twin named {card.name}: use this one by its key."

    async def _upload_one(self, task: Task, file: ProducedFile) -> OutputFile:
        key = f"{task.input.output_prefix}{task.held.run}/{file.path.name}"
        digest = await asyncio.to_thread(_sha256, file.path)
        patience = self._settings.storage_patience_seconds
        await persistently(patience, self._store.upload, file.path, key, file.content_type)
        facts = {name: value for name, value in asdict(file).items() if name != "path"}
        return OutputFile(key=key, bytes=file.path.stat().st_size, sha256=digest, **facts)

    async def _decide_canceled(self, task: Task) -> None:
        with contextlib.suppress(LeaseLost, StorageFailed):
            await task.held.decide(task.result(canceled=True))

    def _complete(self, task: Task, answer: dict[str, Any]) -> dict[str, Any]:
        if task.manual and task.outputs and "error" not in answer:
            main = task.outputs[0]
            answer[f"{main.kind}_url"] = self._address(main.key)
        if task.refresh_worker:
            answer["refresh_worker"] = True
        return answer


def sweep(root: Path) -> None:
    """Remove the job folders below `root` of workers that were killed. Each is named after its worker's process."""
    for folder in root.glob("rushes-*-*"):
        owner = re.match(r"rushes-(\d{1,9})-", folder.name)
        if owner and not _is_alive(int(owner[1])):
            shutil.rmtree(folder, ignore_errors=True)


def parse(job: dict[str, Any], now: datetime) -> Task:
    """The task in the SDK's job. Raises InvalidRequest, ProtocolMismatch or StartTooLate before anything is claimed."""
    message, runpod_id = job.get("input"), str(job["id"])
    if not isinstance(message, dict):
        raise InvalidRequest("The job's input must be a JSON object.")
    manual = not message.keys() & {"protocol", "token"}
    if manual:
        message = _envelope(message, runpod_id, now)
    if message.get("protocol", PROTOCOL) != PROTOCOL:
        raise ProtocolMismatch(
            f"This worker speaks protocol {PROTOCOL} and got {message['protocol']}: update the older of the two."
        )
    try:
        task = Task(WorkerInput.model_validate(message), runpod_id, manual)
        check_key(result_key(task.input.job_id, task.input.attempt))
        check_key(f"{task.input.output_prefix}1/file")
    except ValidationError as error:
        raise InvalidRequest(_in_words(error)) from None
    except ValueError as error:
        raise InvalidRequest(f"job_id, output_prefix: {error}") from None
    if task.input.start_before < now:
        raise StartTooLate
    return task


def _envelope(params: dict[str, Any], runpod_id: str, now: datetime) -> dict[str, Any]:
    """The worker input of a job sent by hand: `{"job_type": "RENDER", "prompt": …}`."""
    return {
        "job_id": runpod_id,
        "attempt": 1,
        "token": "",
        "job_type": params.get("job_type"),
        "params": {name: value for name, value in params.items() if name != "job_type"},
        "output_prefix": f"manual/{runpod_id}/",
        "start_before": now,
        "deadline_seconds": _MANUAL_DEADLINE.total_seconds(),
    }


def _count_runs(task: Task) -> None:
    if task.held.run > MAX_RUNS:
        raise WorkerLost(f"The job's worker was lost {MAX_RUNS} times.")


def _checked(task: Task) -> AnyParams:
    """The params, once this worker has nothing against a job with them; nothing is fetched for a job it can't do."""
    try:
        params = parse_params(task.input.job_type, task.input.params)
    except ValidationError as error:
        raise InvalidParams(_in_words(error)) from None
    check_job(task.input.job_type, params)
    return params


def _in_words(error: ValidationError) -> str:
    """The first few problems as `clips[2].url: what is wrong`, without the values, which may be secret or huge."""
    sentences = []
    for problem in error.errors(include_input=False, include_url=False)[:3]:
        place = problem["loc"]
        if "params" in place:
            place = place[place.index("params") + 1 :]
        name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")
        sentences.append(f"{name}: {problem['msg'].removeprefix('Value error, ')}")
    return "; ".join(sentences)


def _explain(error: Exception) -> Failure:
    if isinstance(error, RushesError):
        _log.warning("%s: %s", error.code_now, error.message)
    else:
        _log.error("The worker met an error nobody foresaw.", exc_info=error)
        error = RushesError("The worker met an error of its own; its log says more.")
    return Failure(code=error.code_now, message=error.message, retryable=error.retryable_now)


def _answer(result: Result) -> dict[str, Any]:
    answer = result.dump()
    if result.error:
        answer["error"] = f"{result.error.code}: {result.error.message}"
    return answer


@contextlib.asynccontextmanager
async def _deadline(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds) as limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise DeadlineExceeded(f"The job took longer than its {seconds:g} seconds and was stopped.") from None


@contextlib.contextmanager
def _timed(task: Task, step: str) -> Iterator[None]:
    started = time.monotonic()
    try:
        yield
    finally:
        task.timings[step] = round(time.monotonic() - started, 3)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return error.errno != errno.ESRCH
    return True


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
