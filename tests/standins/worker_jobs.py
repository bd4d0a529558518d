"""Job types for the worker's tests, run by the real job process: the first word of a RENDER's prompt says what to do.

Every other type writes down how large its inputs are. Those that last report their processes: `<pid> …`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

from gpu_worker.context import JobContext, Produced, ProducedFile
from gpu_worker.job_process import serve
from shared.errors import EngineFailed
from shared.job_types import AnyParams, JobType, RenderParams


class Wedged(EngineFailed):
    refresh_worker = True


def run(job_type: JobType, params: AnyParams, context: JobContext) -> Produced:
    if not isinstance(params, RenderParams):
        return write(context, json.dumps({url: path.stat().st_size for url, path in context.inputs.items()}))
    verb, _, rest = params.prompt.partition(" ")
    match verb:
        case "write":
            context.report("rendering", 100)
            return write(context, rest)
        case "pid" | "retire":
            return replace(write(context, str(os.getpid())), retire=verb == "retire")
        case "wait":
            context.report("rendering", 50, str(os.getpid()))
            while not Path(rest).exists():
                time.sleep(0.01)
            return write(context, "late")
        case "fail" | "wedge" | "memory" | "bug":
            bug = ValueError("/secret/path")
            raise {"fail": EngineFailed(rest), "wedge": Wedged(rest), "memory": MemoryError(), "bug": bug}[verb]
        case "goes-on":
            return go_on(context, stored=Path(rest))
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hang":
            helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
            context.report("rendering", 10, f"{os.getpid()} {helper.pid}")
            threading.Event().wait()
    raise AssertionError(verb)


def go_on(context: JobContext, stored: Path) -> Produced:
    """Done at the third try; each of the first two keeps its number and dies once that lies in the store."""
    restored = context.checkpoints.folder / "tries"
    tries = int(restored.read_text()) + 1 if restored.exists() else 1
    if tries == 3:
        return write(context, str(tries))
    mine = context.workdir / "mine"
    mine.write_text(str(tries))
    context.checkpoints.keep(mine, "tries")
    while not stored.exists() or stored.read_text() != str(tries):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def write(context: JobContext, text: str) -> Produced:
    path = context.workdir / "film.mp4"
    path.write_text(text)
    return Produced([ProducedFile(path, "video", "video/mp4", width=64, height=36, fps=8.0)], {"name": "standin"})


if __name__ == "__main__":
    serve(run)
