"""A worker on the unmodified SDK: `input.do` says what its handler does, `input.file` is a file to leave signs in.

With an argument it makes that file when it ends in an orderly way.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import sys
import time
from pathlib import Path
from typing import Any

import runpod


async def handler(job: dict[str, Any]) -> Any:
    given = job["input"]
    file = Path(given.get("file", os.devnull))
    match given["do"]:
        case "echo":
            return {"said": given.get("text"), "pid": os.getpid()}
        case "fail":
            return {"error": "FETCH_FAILED: The picture could not be read."}
        case "raise":
            raise ValueError("the seed is too large")
        case "refresh":
            return {"pid": os.getpid(), "refresh_worker": True}
        case "progress":
            runpod.serverless.progress_update(job, {"seq": 1, "progress": 40})
            await exists(file)
            return {"done": True}
        case "wait":
            file.write_text(f"started {os.getpid()}")
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                file.write_text("canceled")
                raise
        case "block":
            file.write_text(f"started {os.getpid()}")
            time.sleep(3600)
        case "crash":
            with file.open("a") as runs:
                runs.write(f"{os.getpid()}\n")
            os._exit(3)
    return None


async def exists(file: Path) -> None:
    while not file.exists():
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    for farewell in sys.argv[1:]:
        atexit.register(Path(farewell).touch)
    runpod.serverless.start({"handler": handler})
