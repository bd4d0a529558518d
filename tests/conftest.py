"""What every test may lean on: an environment of its own and ways to wait without sleeping."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")
PREFIXES = ("RUNPOD_", "S3_", "AWS_", "BUDGET_", "MODEL_", "RUSHES_", "WEBHOOK_", "RETENTION_")
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
    """No setting of the person who runs the tests, and no `.env`, reaches them."""
    for name in list(os.environ):
        if name.startswith(PREFIXES) or name in NAMES:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def wait_until(condition: Callable[[], T | None], what: str, seconds: float = 30.0) -> T:
    """Poll until `condition` gives something true; fails saying `what` never came. For other processes only."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} never came")
