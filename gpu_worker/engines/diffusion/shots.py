"""One call of one model."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from gpu_worker.engines.diffusion.loading import Loaded
from gpu_worker.engines.diffusion.lora import attached
from gpu_worker.engines.diffusion.pictures import frames_of
from gpu_worker.engines.diffusion.prompts import PromptCache
from gpu_worker.engines.diffusion.steps import StepWatch
from gpu_worker.media.frames import Frame
from shared.errors import EngineFailed

STRONGEST_MOTION = 254
"""Twice Stable Video Diffusion's own `motion_bucket_id`, which then stands for a `strength` of one half."""


@dataclass(frozen=True)
class Order:
    """What one call is to make. `size` is width and height; `image` has that size already."""

    prompt: str
    negative: str
    frames: int
    size: tuple[int, int]
    seed: int
    steps: int
    guidance: float | None
    image: Image.Image | None = None
    strength: float | None = None
    lora: Path | None = None


def shoot(loaded: Loaded, order: Order, watch: StepWatch, prompts: PromptCache) -> list[Frame]:
    """The frames of one call. Raises what `watch` raises between two steps, leaving the pipeline fit for the next."""
    import torch

    pipe = loaded.pipe
    words = prompts.arguments(loaded, order.prompt, order.negative, order.guidance) if loaded.video.takes_text else {}
    # Noise from the CPU is the same on every GPU.
    generator = torch.Generator("cpu").manual_seed(order.seed)
    given = arguments(loaded, order) | words | {"generator": generator, "output_type": loaded.video.output}
    try:
        with attached(loaded, order.lora), _watching(loaded, watch, given), torch.no_grad():
            made = pipe(**given)
        return frames_of(made[0] if isinstance(made, tuple) else made.get("frames", made.get("images")))
    except ValueError as wrong:
        if str(wrong) != "not finite":
            raise
        raise EngineFailed(f"{loaded.model.title} made numbers out of range; another seed may help.") from wrong
    finally:
        pipe.maybe_free_model_hooks()


def arguments(loaded: Loaded, order: Order) -> dict[str, Any]:
    """The call's arguments but for the words, by the names the pipeline has for them."""
    names, (width, height) = loaded.video.arguments, order.size
    motion = None if order.strength is None else round(STRONGEST_MOTION * order.strength)
    wanted = {
        names.frames: order.frames,
        names.width: width,
        names.height: height,
        names.steps: order.steps,
        names.guidance: order.guidance,
        names.image: order.image,
        names.fps: loaded.video.fps,
        names.strength: motion,
    }
    return dict(loaded.video.constants) | {name: value for name, value in wanted.items() if name and value is not None}


@contextlib.contextmanager
def _watching(loaded: Loaded, watch: StepWatch, given: dict[str, Any]) -> Iterator[None]:
    if loaded.video.progress == "callback":
        given["callback_on_step_end"] = watch.callback
        yield
    else:
        with watch.on_scheduler(loaded.pipe.scheduler):
            yield
