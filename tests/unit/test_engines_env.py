"""Which build of torch a machine gets."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "engines_env.py"


@pytest.mark.parametrize(
    ("driver", "build"),
    [
        ("", "cpu"),
        ("580.159.03", "cu130"),
        ("610.1", "cu130"),
        ("560.35.03", "cu126"),
        ("550.54.14\n550.54.14", "cu126"),
    ],
)
def test_torch_is_of_a_build_that_the_driver_runs(driver: str, build: str) -> None:
    spec = importlib.util.spec_from_file_location("engines_env", TOOL)
    assert spec
    assert spec.loader
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert tool.build_for(driver) == build
