"""The whole control plane on an endpoint that has finished a job by the time it has taken it.

python -m benchmarks.peers.noop_plane FOLDER PORT working|waiting
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

import uvicorn

from control_plane.app import create_app
from control_plane.cli.serving import spare_the_collector
from control_plane.endpoints.port import EndpointHealth, Policy, RemoteJob, RemoteStatus
from control_plane.settings import Settings
from shared.storage.local import LocalStore
from shared.wire import OutputFile, Result, WorkerInput, result_key

MEMORY = Path("/dev/shm")
"""The bucket stands in for one that is elsewhere, so it lies in memory where that can be had; the job table never."""


class NoopEndpoint:
    """Its worker only does what every worker must: it puts `result.json` in the bucket. One that waits never does."""

    url = "https://noop.invalid/v2/noop"

    def __init__(self, bucket: LocalStore, working: bool) -> None:
        self._bucket = bucket
        self._working = working

    async def run(self, payload: dict[str, Any], policy: Policy, webhook: str | None = None) -> str:
        del policy, webhook
        if self._working:
            message = WorkerInput.model_validate(payload)
            key = f"{message.output_prefix}1/nothing.wav"
            output = OutputFile(key=key, kind="audio", content_type="audio/wav", bytes=0, sha256="")
            result = Result(job_id=message.job_id, attempt=message.attempt, run=1, outputs=[output])
            path = self._bucket.path(result_key(message.job_id, message.attempt))
            path.parent.mkdir(parents=True)
            path.write_text(result.model_dump_json(exclude_none=True))
        return uuid.uuid4().hex

    async def status(self, runpod_id: str) -> RemoteJob:
        return RemoteJob(runpod_id, RemoteStatus.COMPLETED if self._working else RemoteStatus.IN_QUEUE)

    async def cancel(self, runpod_id: str) -> None:
        """Nothing runs."""

    async def health(self) -> EndpointHealth:
        return EndpointHealth({}, {"idle": 1})

    async def aclose(self) -> None:
        """Nothing is open."""


def main() -> None:
    """Serve until killed."""
    folder, port, working = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "working"
    with contextlib.ExitStack() as stack:
        memory = stack.enter_context(tempfile.TemporaryDirectory(dir=MEMORY)) if MEMORY.is_dir() else folder
        settings = Settings(
            _env_file=None, data_dir=Path(memory), db_path=folder / "rushes.db", max_in_flight=200 if working else 1
        )
        endpoint = NoopEndpoint(LocalStore(settings.data_dir / "objects"), working)
        app = create_app(settings, base_url=f"http://127.0.0.1:{port}", endpoint=endpoint)
        spare_the_collector()
        uvicorn.run(app, port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
