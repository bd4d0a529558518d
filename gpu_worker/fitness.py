"""Is this machine fit for jobs, and what is missing? Asked at start-up, and by `python -m gpu_worker doctor`.

Without a store, ffmpeg, fonts, or a GPU that torch can use where there is one, a worker would only fail what it takes:
then it does not start, and the SDK tells the platform why (runpod 1.12, serverless/modules/rp_fitness.py). What else
is missing is named in its log, and the jobs that need it say so.
"""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from PIL import ImageFont

from gpu_worker.engines.device import has_torch
from gpu_worker.engines.diffusion.choice import chosen
from gpu_worker.media.ffmpeg import ffmpeg_path, ffmpeg_version
from gpu_worker.models.store import open_models
from gpu_worker.settings import WorkerSettings, job_environment
from gpu_worker.store import store_of
from shared.errors import EngineUnavailable, RushesError
from shared.fonts import FONT_DIR
from shared.job_types import JobType

STORE_SECONDS = 10.0
_TORCH_SECONDS = 120
_log = logging.getLogger(__name__)

# In a process of its own: the worker's must not load torch, and a broken driver may take down whoever asks it.
_ASK_TORCH = """
import json, torch
cuda = torch.cuda.is_available()
print(json.dumps({
    "torch": torch.__version__, "built_for": torch.version.cuda, "usable": cuda,
    "name": torch.cuda.get_device_name(0) if cuda else "",
    "chip": "sm_%d%d" % torch.cuda.get_device_capability(0) if cuda else "",
    "chips": torch.cuda.get_arch_list(),
    "works": cuda and float(torch.ones(8, device="cuda").sum()) == 8,
}))
"""


class Unfit(RushesError):
    """No job would end well on this worker."""

    code = "WORKER_UNFIT"


@dataclass(frozen=True)
class Check:
    """`look` says what is there. It raises Unfit, or another RushesError for what only some jobs need."""

    name: str
    look: Callable[[], str]


@dataclass(frozen=True)
class Finding:
    """How a check came out."""

    name: str
    verdict: str
    message: str

    def __str__(self) -> str:
        return f"{self.verdict:9}{self.name:8}{self.message}"


def checks(settings: WorkerSettings) -> list[Check]:
    """Everything worth a look, the quickest first."""
    return [
        Check("fonts", fonts),
        Check("disk", lambda: disk(settings)),
        Check("ffmpeg", ffmpeg),
        Check("store", lambda: store(settings)),
        Check("gpu", lambda: gpu(settings)),
        Check("models", lambda: models(settings)),
    ]


def examine(settings: WorkerSettings) -> Iterator[Finding]:
    """Every finding: `ok`, `missing` or `unfit`."""
    for check in checks(settings):
        try:
            yield Finding(check.name, "ok", check.look())
        except Unfit as wrong:
            yield Finding(check.name, "unfit", wrong.message)
        except RushesError as missing:
            yield Finding(check.name, "missing", missing.message)


def register(add: Callable[[Callable[[], None]], object], settings: WorkerSettings) -> None:
    """Hand the checks to the SDK, which names each by its function and ends a worker that raises."""
    for check in checks(settings):
        add(_as_function(check))


def _as_function(check: Check) -> Callable[[], None]:
    def look() -> None:
        try:
            _log.info("%s: %s", check.name, check.look())
        except Unfit:
            raise
        except RushesError as missing:
            _log.warning("%s: %s", check.name, missing.message)

    look.__name__ = check.name
    return look


def fonts(folder: Path = FONT_DIR) -> str:
    """Those that captions and titles are drawn with."""
    found = sorted(folder.glob("*.ttf"))
    for path in found:
        try:
            ImageFont.truetype(str(path))
        except OSError:
            raise Unfit(f"The font {path.name} cannot be read: install Rushes again.") from None
    if not found:
        raise Unfit("The fonts for captions and titles are not here: install Rushes again.")
    return f"{len(found)} files"


def disk(settings: WorkerSettings) -> str:
    """Room for a job's files."""
    free = shutil.disk_usage(gettempdir()).free
    if free < settings.fetch_reserve_bytes:
        needed = settings.fetch_reserve_bytes / 1e9
        raise EngineUnavailable(f"Only {free / 1e9:.1f} GB free for the files of jobs, which want {needed:.1f} GB.")
    return f"{free / 1e9:.1f} GB free for the files of jobs"


def ffmpeg() -> str:
    """One that has the filters and encoders we use."""
    try:
        path = ffmpeg_path()
    except EngineUnavailable as missing:
        raise Unfit(missing.message) from missing
    return f"{ffmpeg_version()}, {path}"


def store(settings: WorkerSettings) -> str:
    """Can be reached and written to: a claim is the first thing every job needs."""
    key = f"probes/{uuid.uuid4()}.json"
    try:
        objects = store_of(settings).with_timeout(STORE_SECONDS)
        objects.put_if_absent(key, b"{}")
        objects.delete(key)
    except RushesError as wrong:
        what = f"bucket {settings.s3_bucket}" if settings.s3_bucket else "folder DATA_DIR/objects"
        raise Unfit(f"The store, {what}, cannot be used: {wrong.message}") from wrong
    return f"{objects.name}, can be written"


def gpu(settings: WorkerSettings) -> str:
    """A GPU that the installed torch can use, where there is one at all."""
    if settings.model_device == "cpu":
        return "not asked for: MODEL_DEVICE is cpu"
    driver = driver_version()
    if not has_torch():
        if driver:
            raise EngineUnavailable("This machine has a GPU, and torch and diffusers are not installed.")
        return "none, and no torch: this worker speaks, moves pictures and makes films"
    if not driver:
        raise EngineUnavailable("torch is installed, and this machine has no GPU it could use.")
    return judge(ask_torch(), driver)


def judge(told: dict[str, Any], driver: str) -> str:
    """What torch says of itself, against the driver's version."""
    torch = f"torch {told['torch']}"
    if told["built_for"] is None:
        raise Unfit(f"{torch} was built without CUDA, and this machine has a GPU: install the wheel for CUDA.")
    if not told["usable"]:
        raise Unfit(
            f"{torch} is built for CUDA {told['built_for']}, which driver {driver} cannot run: choose a host with a "
            "newer driver or a wheel for an older CUDA."
        )
    if not told["works"] or not _has_code_for(told["chip"], told["chips"]):
        raise Unfit(f"{torch} has no code for this GPU ({told['name']}, {told['chip']}): it knows {told['chips']}.")
    return f"{told['name']}, driver {driver}, {torch} for CUDA {told['built_for']}"


def _has_code_for(chip: str, known: list[str]) -> bool:
    """Code for a chip runs on later ones of the same generation."""
    number = int(chip.removeprefix("sm_"))
    numbers = [int("".join(filter(str.isdigit, name.partition("_")[2]))) for name in known]
    return any(one <= number and one // 10 == number // 10 for one in numbers)


def ask_torch() -> dict[str, Any]:
    """In a process of its own. Unfit when that does not come back with an answer."""
    command = [sys.executable, "-c", _ASK_TORCH]
    try:
        asked = subprocess.run(
            command, env=job_environment(), capture_output=True, text=True, timeout=_TORCH_SECONDS, check=True
        )
        told: dict[str, Any] = json.loads(asked.stdout.splitlines()[-1])
    except (subprocess.SubprocessError, ValueError, IndexError) as wrong:
        _log.warning("torch: %s", getattr(wrong, "stderr", "") or wrong)
        raise Unfit("torch cannot be started on this machine; the log says more.") from wrong
    return told


def driver_version() -> str:
    """Of the NVIDIA driver; empty where there is no GPU."""
    try:
        asked = subprocess.run(
            ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return next(iter(asked.stdout.split()), "")


def models(settings: WorkerSettings) -> str:
    """The weights of the models that jobs take when they name none."""
    if not has_torch():
        return "none needed without torch"
    weights = open_models(settings)
    wanted = {kind: chosen(kind, None, settings) for kind in JobType if kind is not JobType.EXPORT}
    needed = {model.id: model for model in wanted.values() if model.source is not None}
    lacking = [name for name, model in needed.items() if weights.find(model) is None]
    if lacking and not settings.model_download:
        kinds = ", ".join(kind for kind, model in wanted.items() if model.id in lacking)
        raise EngineUnavailable(
            f"No weights for {kinds}: python -m gpu_worker models fetch {' '.join(lacking)} (or MODEL_DOWNLOAD=true)."
        )
    return f"not here yet, fetched by the first job: {', '.join(lacking)}" if lacking else f"here: {', '.join(needed)}"
