"""The whole control plane on an endpoint that has finished a job by the time it has taken it.

python -m benchmarks.peers.noop_plane FOLDER BUCKET PORT working|waiting
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from pathlib import Path
from typing import Any

import uvicorn

from control_plane.app import create_app
from control_plane.cli.serving import spare_the_collector
from control_plane.endpoints.port import EndpointHealth, Policy, RemoteJob, RemoteStatus
from control_plane.settings import Settings
from shared.wire import result_key


class NoopEndpoint:
    """Its worker only does what every worker must: it puts `result.json` in the bucket. One that waits never does."""

    url = "https://noop.invalid/v2/noop"

    def __init__(self, bucket: Path, working: bool) -> None:
        self._bucket = bucket
        self._working = working

    async def run(self, payload: dict[str, Any], policy: Policy, webhook: str | None = None) -> str:
        del policy, webhook
        if self._working:
            job_id, attempt = payload["job_id"], payload["attempt"]
            key = f"{payload['output_prefix']}1/nothing.wav"
            output = {"key": key, "kind": "audio", "content_type": "audio/wav", "bytes": 0, "sha256": ""}
            result = {"protocol": 1, "job_id": job_id, "attempt": attempt, "run": 1, "outputs": [output]}
            path = f"{self._bucket}/{result_key(job_id, attempt)}"
            os.makedirs(os.path.dirname(path))  # noqa: PTH103, PTH120 - half the time of pathlib's, on whom nothing hangs
            with open(path, "w") as file:  # noqa: PTH123
                json.dump(result, file)
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
    folder, bucket, port, working = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "working"
    settings = Settings(
        _env_file=None, data_dir=bucket, db_path=folder / "rushes.db", max_in_flight=1000 if working else 1
    )
    endpoint = NoopEndpoint(bucket / "objects", working)
    app = create_app(settings, base_url=f"http://127.0.0.1:{port}", endpoint=endpoint)
    spare_the_collector()
    uvicorn.run(app, port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
