"""Tests of the engines run where torch is: `make test-engines`, and `make test` of whoever has it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

HAS_ENGINES = all(importlib.util.find_spec(name) for name in ("torch", "diffusers", "transformers", "peft"))
collect_ignore_glob = [] if HAS_ENGINES else ["test_*.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The libraries warn of what is theirs; torch alone does it a dozen times when it is imported."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("default"))


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny weights in `models` and their catalog files in `entries`."""
    import torch

    from tests.engines import tiny

    # Threads that wait for one another make tiny tensors a hundred times slower.
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("tiny")
    tiny.make_all(folder / "models", folder / "entries")
    return folder


@pytest.fixture
def tiny_environment(tiny_models: Path) -> dict[str, str]:
    """The settings under which a worker knows the tiny models and takes a CPU for them."""
    return {
        "MODEL_DIR": str(tiny_models / "models"),
        "MODEL_CATALOG_DIR": str(tiny_models / "entries"),
        "MODEL_DEVICE": "cpu",
        "OMP_NUM_THREADS": "1",
    }
