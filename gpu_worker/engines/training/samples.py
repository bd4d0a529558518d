"""A picture drawn with the LoRA as it is, to be looked at while it is trained."""

from __future__ import annotations

import io
import re
import shutil
from pathlib import Path

from PIL import Image

from gpu_worker.context import ProducedFile
from gpu_worker.engines.diffusion.shots import Order, shoot
from gpu_worker.engines.diffusion.steps import PREVIEW_WIDTH, StepWatch
from gpu_worker.engines.training.progress import Pace
from gpu_worker.engines.training.run import Training

SAMPLE_STEPS = 20
_NAME = re.compile(r"sample-(\d{5})\.jpg")


def draw_sample(training: Training, done: int, pace: Pace) -> Path:
    """`sample-<steps done>.jpg`, always of the same noise; also the job's preview. The VAE is on the device for it
    alone.
    """
    loaded, pipe, context = training.loaded, training.loaded.pipe, training.context
    steps = min(SAMPLE_STEPS, loaded.video.steps)
    order = Order(
        training.caption, "", frames=1, size=training.pictures.cut[0].size, seed=training.params.seed, steps=steps,
        guidance=training.guidance,
    )  # fmt: skip
    # Through the run's own report, so that a cancel gets in between two steps of a sample too.
    watch = StepWatch(
        lambda _stage, _progress, message="": pace.aside("looking", f"sample: {message}"),
        lambda _: None, shots=1, steps=steps,
    )  # fmt: skip
    watch.begin()
    pipe.vae.to(loaded.device)
    try:
        picture = Image.fromarray(shoot(loaded, order, watch, training.prompts)[0])
    finally:
        pipe.vae.to("cpu")
    path = context.workdir / f"sample-{done:05d}.jpg"
    picture.save(path, "JPEG", quality=90)
    context.preview(_small(picture))
    return path


def _small(picture: Image.Image) -> bytes:
    jpeg = io.BytesIO()
    height = max(1, round(PREVIEW_WIDTH * picture.height / picture.width))
    picture.resize((PREVIEW_WIDTH, height), Image.Resampling.LANCZOS).save(jpeg, "JPEG", quality=60)
    return jpeg.getvalue()


def earlier_samples(training: Training, done: int) -> list[Path]:
    """Those of the worker before, up to the step its checkpoint was made at."""
    folder, found = training.context.checkpoints.folder, list[Path]()
    for path in sorted(folder.glob("sample-*.jpg")) if done else ():
        if (number := _NAME.fullmatch(path.name)) and int(number[1]) <= done:
            found.append(Path(shutil.copy(path, training.context.workdir)))
    return found


def sample_file(path: Path) -> ProducedFile:
    """A sample as an output of the job."""
    with Image.open(path) as picture:
        width, height = picture.size
    return ProducedFile(path, "image", "image/jpeg", width, height)
