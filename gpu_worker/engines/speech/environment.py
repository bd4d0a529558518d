"""Where the environments of the speech engines are, and how they are made: `python -m gpu_worker models env <engine>`.

An engine whose libraries do not agree with the worker's has `<a folder of models>/environments/<engine>`, a virtual
environment with what `requirements/<engine>.txt` pins.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from gpu_worker.settings import WorkerSettings
from shared.errors import EngineUnavailable

_REQUIREMENTS = Path(__file__).with_name("requirements")
TORCH = ("torch==2.13.0",)
OWN = tuple(sorted(path.stem for path in _REQUIREMENTS.glob("*.txt")))
"""The engines with an environment of their own; the others run in the worker's."""


def python_of(engine: str, settings: WorkerSettings) -> Path:
    """The Python that an engine runs with. EngineUnavailable, saying how to make it, where there is none."""
    if engine not in OWN:
        return Path(sys.executable)
    for folder in places(settings):
        python = folder / engine / "bin" / "python"
        if python.is_file():
            return python.absolute()
    raise EngineUnavailable(
        f"{engine} has no environment on this worker: python -m gpu_worker models env {engine} makes it."
    )


def places(settings: WorkerSettings) -> list[Path]:
    """The folders of environments, the one that new ones go to first."""
    if settings.speech_env_dir is not None:
        return [settings.speech_env_dir]
    models = settings.model_dir or settings.data_dir / "models"
    return [root / "environments" for root in (models, settings.model_baked_dir, settings.model_volume_dir)]


def make(engine: str, settings: WorkerSettings) -> Path:
    """Make an engine's environment with pip, whose settings say where torch comes from; the folder.

    Raises EngineUnavailable for an engine that needs none, and when pip fails.
    """
    if engine not in OWN:
        raise EngineUnavailable(f"{engine[:60]} needs no environment of its own. Those that do: {', '.join(OWN)}.")
    folder = places(settings)[0].absolute() / engine
    python = str(folder / "bin" / "python")
    pip = [python, "-m", "pip", "install"]
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([*pip, "--no-deps", "--requirement", str(_REQUIREMENTS / f"{engine}.txt")], check=True)
        # torch names the CUDA packages of its own build.
        subprocess.run([*pip, *TORCH], check=True)
    except (OSError, subprocess.CalledProcessError) as failed:
        raise EngineUnavailable(f"The environment of {engine} could not be made; the words above say why.") from failed
    return folder
