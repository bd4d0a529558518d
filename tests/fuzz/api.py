"""schemathesis over the whole OpenAPI description with every check, against a real plane: no 5xx, nothing undescribed.

python -m tests.fuzz.api SECONDS SEED
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import schemathesis

from tests.integration.served import served

KEY = "fuzzing-the-whole-api"
NOT_CHECKED = ",".join([
    # Taking more than the description promises is not a fault where the description is of the usual form of a value.
    "positive_data_acceptance",
])  # fmt: skip


LONGEST_QUERY = 60_000
"""Letters as sent. Beyond 64 kB uvicorn refuses in its own words, before there is a request to describe."""


@schemathesis.hook
def filter_query(context: Any, query: dict[str, Any]) -> bool:
    """Which queries are tried at all."""
    del context
    return sum(len(quote(str(value))) for value in (query or {}).values()) < LONGEST_QUERY


async def run(seconds: int, seed: int) -> int:
    """The exit status of schemathesis."""
    with TemporaryDirectory(prefix="rushes-fuzz-") as folder:
        async with served(Path(folder) / "data", api_key=KEY) as api:
            command = [
                "env", "SCHEMATHESIS_HOOKS=tests.fuzz.api", f"PYTHONPATH={Path(__file__).parents[2]}",
                str(Path(sys.executable).with_name("schemathesis")), "run", f"{api.url}/openapi.json",
                "--max-time", str(seconds), "--header", f"Authorization: Bearer {KEY}", "--checks", "all",
                "--exclude-checks", NOT_CHECKED, "--continue-on-failure", "--suppress-health-check", "all",
                "--exclude-path-regex", "/events$", "--request-timeout", "10", "--no-color",
            ]  # fmt: skip
            if seed:
                command += ["--seed", str(seed)]
            process = await asyncio.create_subprocess_exec(*command, cwd=folder)
            status = await process.wait()
            assert (await api.client.get("/healthz")).status_code == 200
            return status


if __name__ == "__main__":
    sys.exit(asyncio.run(run(int(sys.argv[1]), int(sys.argv[2]))))
