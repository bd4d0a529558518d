"""Programs of the machine that some of these tests need."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest


def needs(name: str) -> str:
    """Its path; the test is left out where it is not installed."""
    found = shutil.which(name) or shutil.which(name, path=f"{Path(sys.executable).parent}:/usr/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found
