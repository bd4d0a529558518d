"""Where the environments of the speech engines are, and how they are made: `python -m gpu_worker models env <engine>`.

An engine whose libraries do not agree with the worker's has `<a folder of models>/environments/<engine>`, a virtual
environment with what `requirements/<engine>.txt` pins.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from gpu_worker.settings import WorkerSettings
from shared.errors import EngineUnavailable

_REQUIREMENTS = Path(__file__).with_name("requirements")
OWN = tuple(sorted(path.stem for path in _REQUIREMENTS.glob("*.txt")))
"""The engines with an environment of their own; the others run in the worker's."""
_TORCH = "torch==2.13.0"


@dataclass(frozen=True)
class Apart:
    """What an engine takes beside its requirements. `compiled`: built against torch, as torch itself is for a driver.
    `wheel`: of a site of its own, and what is missing without it.
    """

    imports: str
    compiled: tuple[str, ...] = (_TORCH,)
    wheel: str = ""
    lacking: str = ""


APART = {
    # spaCy's models are published on GitHub alone.
    "kokoro": Apart(
        "kokoro",
        wheel="https://github.com/explosion/spacy-models/releases/download/"
        "en_core_web_sm-3.8.0/en_core_web_sm-3.8.0-py3-none-any.whl",
        lacking="English",
    ),
    "qwen3-tts": Apart("qwen_tts", (_TORCH, "torchaudio==2.11.0")),
}


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
    """Make an engine's environment with pip, whose settings say where packages come from; the folder.

    Raises EngineUnavailable for an engine that needs none, and when something fails; an environment that was there
    stays until the new one is whole.
    """
    if engine not in OWN:
        raise EngineUnavailable(f"{engine[:60]} needs no environment of its own. Those that do: {', '.join(OWN)}.")
    apart, folder = APART[engine], places(settings)[0].absolute() / engine
    draft = folder.with_name(f"{engine}.partial")
    try:
        _call(sys.executable, "-m", "venv", "--clear", str(draft))
        _install(draft, "--no-deps", "--requirement", str(_REQUIREMENTS / f"{engine}.txt"))
        # With what they need: torch names the CUDA packages of its own build.
        _install(draft, *like_ours(apart.compiled))
        _call(str(draft / "bin" / "python"), "-I", "-W", "ignore", "-c", f"import {apart.imports}")
    except (OSError, subprocess.CalledProcessError) as failed:
        shutil.rmtree(draft, ignore_errors=True)
        raise EngineUnavailable(
            f"The environment of {engine} could not be made; the words above say why. It takes a package index that "
            "pip can reach (its settings may name another than PyPI) and several GB of disk. Then: the same again."
        ) from failed
    shutil.rmtree(folder, ignore_errors=True)
    # Nothing in it but scripts, which nobody calls, knows its path.
    draft.rename(folder)
    if apart.wheel:
        _add(folder, engine, apart)
    return folder


def like_ours(compiled: Sequence[str]) -> list[str]:
    """What pip is told to install: the build that the worker's own torch is of (`+cu126` is an index of PyTorch's),
    so that the driver that runs the one runs the other; the package index's usual one where the worker has no torch.
    """
    try:
        build = version("torch").partition("+")[2]
    except PackageNotFoundError:
        build = ""
    if not build:
        return list(compiled)
    index = f"https://download.pytorch.org/whl/{build}"
    return [*(f"{one}+{build}" for one in compiled), "--extra-index-url", index]


def _add(folder: Path, engine: str, apart: Apart) -> None:
    try:
        _install(folder, "--no-deps", apart.wheel)
    except (OSError, subprocess.CalledProcessError) as failed:
        raise EngineUnavailable(
            f"{engine} has its environment, but for {apart.lacking}, which needs {apart.wheel}. Bring that file by "
            f"other means, then: {folder / 'bin' / 'python'} -m pip install --no-deps <the file>"
        ) from failed


def _install(folder: Path, *what: str) -> None:
    _call(str(folder / "bin" / "python"), "-m", "pip", "install", *what)


def _call(*command: str) -> None:
    subprocess.run(command, check=True)
