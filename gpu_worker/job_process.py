"""Each job runs in a child process of its own session, so that stopping it stops all it started, at any moment.

The child stays warm for the next job and is replaced when it was killed or died. Parent to child: one JSON line for
each job on standard input, whose end of file makes the child kill its own group: a job dies with its worker. Child
to parent: JSON lines on a pipe of their own (libraries print to standard output), `{"stage","progress","message"}`,
`{"preview": <JPEG in base64>}` and `{"keep": <name of a checkpoint>}` any number of times, then one `{"produced": …}`
or `{"failed": {"code","message","retryable","refresh_worker"}}`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import TypeAdapter

from gpu_worker import lifeline
from gpu_worker.context import Checkpoints, JobContext, Preview, Produced, Report, nobody_looks
from gpu_worker.job_types import run_job
from shared.errors import EngineFailed, OutOfMemory, RushesError
from shared.job_types import AnyParams, JobType, parse_params

COMMAND = (sys.executable, "-m", "gpu_worker.job_process")
RunJob = Callable[[JobType, AnyParams, JobContext], Produced]
Keep = Callable[[Path], None]

_LONGEST_LINE = 4 * 2**20
_LONGEST_DEATH = 30.0
_PRODUCED = TypeAdapter(Produced)
_log = logging.getLogger(__name__)


class JobProcessDied(EngineFailed):
    """The job process ended in the middle of the job."""


@dataclass(frozen=True)
class OrderCheckpoints:
    """`restored` has what earlier runs kept; the child puts what is to be kept into `outbox`."""

    restored: Path
    outbox: Path


@dataclass(frozen=True)
class JobOrder:
    """What the child needs to run one job; `inputs` maps the references in `params` to local files."""

    job_type: JobType
    params: dict[str, Any]
    workdir: Path
    inputs: dict[str, Path] = field(default_factory=dict)
    model_dir: Path | None = None
    checkpoints: OrderCheckpoints | None = None


_ORDER = TypeAdapter(JobOrder)


class JobProcess:
    """The parent's side: one job at a time in a child that can be killed.

    `command` is the program; it gets the number of the reporting pipe as its last argument and inherits `pass_fds`.
    """

    def __init__(
        self,
        command: Sequence[str] = COMMAND,
        *,
        environment: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self._command = command
        self._environment = environment
        self._pass_fds = pass_fds
        self._child: _Child | None = None
        self._one_at_a_time = asyncio.Lock()

    async def run(
        self, order: JobOrder, report: Report, keep: Keep | None = None, preview: Preview = nobody_looks
    ) -> Produced:
        """Run one job. Raises what the job raised, or JobProcessDied; when cancelled the job is dead first.

        `keep` gets each file that the job put into its outbox. The child is replaced after a job that asks for it.
        """
        async with self._one_at_a_time:
            child = await self._warm_child()
            try:
                answer = await child.perform(order, report, keep, preview)
            except BaseException:
                await self.kill()
                raise
            failed, produced = answer.get("failed"), answer.get("produced")
            if (failed or {}).get("refresh_worker") or (produced or {}).get("retire"):
                await self.kill()
        if failed is not None:
            error = RushesError(failed["message"], code=failed["code"], retryable=failed["retryable"])
            error.refresh_worker = failed.get("refresh_worker", False)
            raise error
        return _PRODUCED.validate_python(produced)

    async def kill(self) -> None:
        """Kill the child and all it started, and wait until it is gone."""
        if self._child is not None:
            self._child.kill()
            await self._child.gone()
            self._child = None

    async def _warm_child(self) -> _Child:
        if self._child is not None and self._child.has_ended:
            await self.kill()
        if self._child is None:
            self._child = await _Child.start(self._command, self._environment, self._pass_fds)
        return self._child


class _Child:
    def __init__(
        self,
        process: subprocess.Popen[bytes],
        orders: BinaryIO,
        lines: asyncio.StreamReader,
        pipe: asyncio.BaseTransport,
    ) -> None:
        self._process = process
        self._orders = orders
        self._lines = lines
        self._pipe = pipe

    @classmethod
    async def start(
        cls, command: Sequence[str], environment: Mapping[str, str] | None, pass_fds: Sequence[int]
    ) -> _Child:
        reports, reports_end = os.pipe()
        lines = asyncio.StreamReader(limit=_LONGEST_LINE)
        pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(lines), os.fdopen(reports, "rb", buffering=0)
        )
        orders_end, orders = os.pipe()
        process = subprocess.Popen(
            [*command, str(reports_end)],
            stdin=orders_end,
            env=environment,
            pass_fds=(reports_end, *pass_fds),
            start_new_session=True,
        )
        os.close(orders_end)
        os.close(reports_end)
        return cls(process, os.fdopen(orders, "wb"), lines, pipe)

    @property
    def has_ended(self) -> bool:
        # Left unreaped, or its group's number would be free too early.
        dead = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return dead is not None or self._lines.at_eof()

    async def perform(self, order: JobOrder, report: Report, keep: Keep | None, preview: Preview) -> dict[str, Any]:
        await asyncio.to_thread(self._send, _ORDER.dump_json(order) + b"\n")
        async for line in self._lines:
            message: dict[str, Any] = json.loads(line)
            if "stage" in message:
                report(message["stage"], message["progress"], message["message"])
            elif "preview" in message:
                preview(base64.b64decode(message["preview"]))
            elif "keep" not in message:
                return message
            elif keep and order.checkpoints:
                keep(order.checkpoints.outbox / message["keep"])
        raise JobProcessDied(await self._cause_of_death())

    def kill(self) -> None:
        # Not reaped yet, so the number still means this group, even where its leader is dead already.
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def gone(self) -> int:
        until = asyncio.get_running_loop().time() + _LONGEST_DEATH
        while (status := self._process.poll()) is None:
            if asyncio.get_running_loop().time() > until:
                # The kernel holds it, usually for a wedged GPU: nothing we could report would be true.
                _log.critical("The job process cannot be killed; this worker ends.")
                lifeline.kill_own_group()
            await asyncio.sleep(0.01)
        self._pipe.close()
        with contextlib.suppress(BrokenPipeError):
            self._orders.close()
        return status

    def _send(self, line: bytes) -> None:
        # A child that is dead already is found out by the end of its reports.
        with contextlib.suppress(BrokenPipeError):
            self._orders.write(line)
            self._orders.flush()

    async def _cause_of_death(self) -> str:
        self.kill()
        status = await self.gone()
        if status == -signal.SIGKILL:
            return "The job process was killed, probably for lack of memory."
        return f"The job process ended in the middle of the job (exit status {status})."


def serve(run: RunJob) -> None:
    """The child's side: run the jobs that come in, until standard input ends and with it this process group."""
    number = int(sys.argv[-1])
    os.set_inheritable(number, False)
    reports, lock = os.fdopen(number, "w"), threading.Lock()

    def send(message: dict[str, Any]) -> None:
        with lock:
            print(json.dumps(message), file=reports, flush=True)

    for order in _orders():
        send(_perform(order, run, send))


def _perform(order: JobOrder, run: RunJob, send: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    def report(stage: str, progress: int, message: str = "") -> None:
        send({"stage": stage, "progress": progress, "message": message[:500]})

    def preview(jpeg: bytes) -> None:
        send({"preview": base64.b64encode(jpeg).decode()})

    kept = _checkpoints(order.checkpoints, send)
    context = JobContext(order.workdir, order.inputs, report, order.model_dir, kept, preview)
    try:
        produced = run(order.job_type, parse_params(order.job_type, order.params), context)
    except RushesError as error:
        _log.warning("%s: %s", error.code_now, error.message)
        return _failed(error)
    except MemoryError:
        return _failed(OutOfMemory())
    except Exception:  # noqa: BLE001 - a bug in a job type must end the job, not the worker
        _log.exception("The job failed in a way nobody foresaw.")
        return _failed(RushesError("The worker met an error of its own; its log says more."))
    return {"produced": _PRODUCED.dump_python(produced, mode="json")}


def _checkpoints(folders: OrderCheckpoints | None, send: Callable[[dict[str, Any]], None]) -> Checkpoints:
    if folders is None:
        return Checkpoints.none()

    def keep(path: Path, name: str) -> None:
        # A name of its own: the job may move or remove its file while it is being sent.
        (folders.outbox / name).unlink(missing_ok=True)
        try:
            os.link(path, folders.outbox / name)
        except OSError:
            shutil.copyfile(path, folders.outbox / name)
        send({"keep": name})

    return Checkpoints(folders.restored, keep)


def _failed(error: RushesError) -> dict[str, Any]:
    said = {"code": error.code_now, "message": error.message, "retryable": error.retryable_now}
    return {"failed": said | {"refresh_worker": error.refresh_worker}}


def _orders() -> Iterator[JobOrder]:
    """Jobs as they come. What a job starts must not read our standard input, so it is moved out of their way."""
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    mine = os.fdopen(os.dup(0), "rb")
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)

    def read() -> None:
        for line in mine:
            lines.put(line)
        lifeline.kill_own_group()

    threading.Thread(target=read, name="orders", daemon=True).start()
    while True:
        yield _ORDER.validate_json(lines.get())


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    serve(run_job)
