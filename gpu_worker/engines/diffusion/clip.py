"""A whole clip: its shots one after another, brought to the size that was asked for, as an MP4 that says how."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from PIL import Image

from gpu_worker.context import JobContext, Produced, ProducedFile
from gpu_worker.engines.device import name_of
from gpu_worker.engines.diffusion.choice import Ready, first_picture_of
from gpu_worker.engines.diffusion.loading import Loaded, recipe, video_of
from gpu_worker.engines.diffusion.pictures import fitted
from gpu_worker.engines.diffusion.prompts import PromptCache
from gpu_worker.engines.diffusion.shots import Order, shoot
from gpu_worker.engines.diffusion.steps import StepWatch
from gpu_worker.engines.pool import EnginePool, pool_of
from gpu_worker.media.frames import Frame, FrameEncoder
from gpu_worker.media.pictures import open_picture
from shared.catalog.model import Model, Profile
from shared.catalog.rules import Clip, VideoParams, nearest_size, plan_for
from shared.job_types import Img2VidParams, Motion
from shared.references import lora_reference

_CAMERA: dict[Motion, str] = {
    "zoom_in": "The camera slowly zooms in.",
    "zoom_out": "The camera slowly zooms out.",
    "pan_left": "The camera pans to the left.",
    "pan_right": "The camera pans to the right.",
    "pan_up": "The camera tilts up.",
    "pan_down": "The camera tilts down.",
    "rotate": "The camera slowly rotates.",
}


@cache
def _prompts() -> PromptCache:
    """This process's: a prompt that comes again is not encoded again."""
    return PromptCache()


@dataclass
class _Making:
    """A clip on its way: what is fixed for all its shots, and what they took."""

    params: VideoParams
    context: JobContext
    ready: Ready
    pool: EnginePool
    clip: Clip
    seed: int
    steps: int
    timings: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    loaded_cheaply: bool = False

    @property
    def guidance(self) -> float | None:
        video = video_of(self.ready.model)
        return (
            None if video.guidance is None else video.guidance if self.params.guidance is None else self.params.guidance
        )

    @property
    def prompt(self) -> str:
        if not isinstance(self.params, Img2VidParams):
            return self.params.prompt
        words, camera = self.params.prompt.strip(), _CAMERA[self.params.motion]
        return f"{words}{'' if words.endswith((*'.!?',)) else '.'} {camera}" if words else camera

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self.timings[step] = round(self.timings.get(step, 0) + time.monotonic() - started, 3)


def make(params: VideoParams, context: JobContext, ready: Ready, pool: EnginePool | None = None) -> Produced:
    """`video.mp4` by a diffusion model, as long and as large as was asked for, and how it came about.

    Raises MemoryExhausted, InvalidParams for a LoRA that does not fit, BadWeights, EngineFailed.
    """
    pool = pool or pool_of(ready.device)
    video = video_of(ready.model)
    steps = params.steps or video.profiles[params.profile].steps or video.steps
    seed = secrets.randbelow(2**32) if params.seed is None else params.seed
    making = _Making(params, context, ready, pool, plan_for(params, ready.model, ready.models), seed, steps)
    pool.memory.restart()
    watch = StepWatch(context.report, context.preview, shots=len(making.clip.shots), steps=steps)
    frames = _frames(making, watch)
    film = _encode(making, frames)
    peak = pool.memory.peak()
    return Produced([film], _engine(making, watch, peak), retire=pool.has_crept())


def _frames(making: _Making, watch: StepWatch) -> list[Frame]:
    """All shots' frames, cut to the length of the clip."""
    clip, frames = making.clip, list[Frame]()
    image = _first_image(making)
    for number, shot in enumerate(clip.shots):
        made = _shoot(making, shot.model, _order(making, number, shot.frames, image), watch)
        frames += made[1:] if number else made
        image = Image.fromarray(made[-1])
    return frames[: clip.frames]


def _order(making: _Making, number: int, frames: int, image: Image.Image | None) -> Order:
    params = making.params
    lora = making.context.input(lora_reference(params.lora)) if params.lora else None
    strength = params.strength if isinstance(params, Img2VidParams) else None
    return Order(
        prompt=making.prompt,
        negative=params.negative_prompt,
        frames=frames,
        size=making.clip.size,
        # Of the same noise every shot would make the same movement again.
        seed=(making.seed + number) % 2**32,
        steps=making.steps,
        guidance=making.guidance,
        image=image,
        strength=strength,
        lora=lora,
    )


def _first_image(making: _Making) -> Image.Image | None:
    """The person's picture, or one drawn from the prompt for a model that hears no words; None where none is needed."""
    params, size = making.params, making.clip.size
    if isinstance(params, Img2VidParams):
        return fitted(open_picture(making.context.input(params.image_url)), size, params.fit)
    painter = _painter(making)
    if painter is None:
        return None
    video = video_of(painter)
    order = replace(
        _order(making, 0, 1, None),
        size=nearest_size(video.size.buckets, *size),
        steps=video.steps,
        guidance=video.guidance,
    )
    making.context.report("drawing", 2, f"{painter.title} draws the first picture")
    quiet = StepWatch(lambda *_: None, lambda _: None, shots=1, steps=video.steps)
    return fitted(Image.fromarray(_shoot(making, painter, order, quiet)[0]), size, "crop")


def _shoot(making: _Making, model: Model, order: Order, watch: StepWatch) -> list[Frame]:
    ready, report = making.ready, making.context.report
    weights, profile = ready.weights[model.id], _profile(making, model)
    how = recipe(model, weights, profile, ready.device, making.pool)
    fresh = how.key not in making.pool.resident()
    if fresh:
        report("loading", watch.progress, f"loading {model.title}")

    def work(loaded: Loaded) -> list[Frame]:
        if fresh:
            making.timings["load"] = round(making.timings.get("load", 0) + making.pool.loaded_in(how.key), 3)
        making.notes += loaded.notes
        making.loaded_cheaply |= loaded.cheap
        watch.begin()
        with making.timed("generate"):
            return shoot(loaded, order, watch, _prompts())

    return making.pool.run(how, work)


def _profile(making: _Making, model: Model) -> Profile:
    profiles = video_of(model).profiles
    profile = profiles.get(making.params.profile, profiles["exact"])
    if making.params.lora is None or profile.weights == "full":
        return profile
    # peft 0.21 knows of torchao's narrow weights the oldest kind alone.
    making.notes.append("made with full weights: a LoRA does not go onto 8-bit ones")
    return profile.model_copy(update={"weights": "full"})


def _encode(making: _Making, frames: list[Frame]) -> ProducedFile:
    clip, params = making.clip, making.params
    making.context.report("encoding", 92, "writing the film")
    with making.timed("encode"), FrameEncoder(making.context.workdir / "video.mp4", *clip.target, clip.fps) as film:
        for frame in frames:
            picture = Image.fromarray(frame)
            film.write(frame if picture.size == clip.target else _array(fitted(picture, clip.target, params.fit)))
    return film.produced()


def _array(picture: Image.Image) -> Frame:
    import numpy as np

    return np.asarray(picture)


def _engine(making: _Making, watch: StepWatch, peak: int) -> dict[str, Any]:
    """What the result says about how the clip was made."""
    model, clip, ready = making.ready.model, making.clip, making.ready
    video = video_of(model)
    said: dict[str, Any] = {
        "name": model.id,
        "model": model.title,
        "repo": model.source.repo if model.source else None,
        "revision": ready.weights[model.id].revision,
        "licence": {"id": model.licence.id, "commercial": model.licence.commercial},
        "device": ready.device,
        "gpu": name_of(ready.device),
        "seed": making.seed,
        "steps": making.steps,
        "guidance": making.guidance,
        "profile": making.params.profile,
        "memory": "off-loaded" if making.loaded_cheaply else "resident",
        "native": {
            "width": clip.size[0],
            "height": clip.size[1],
            "fps": clip.fps,
            "shots": [s.frames for s in clip.shots],
        },
        "made": [*clip.says, *dict.fromkeys(making.notes)],
        "timings": making.timings,
    }
    if isinstance(making.params, Img2VidParams) and video.takes_text:
        said["prompt"] = making.prompt
    optional = {
        "seconds_per_step": round(watch.seconds_a_step, 4) if watch.seconds_a_step else None,
        "peak_gb": round(peak / 1e9, 2) if peak else None,
        "lora": making.params.lora,
        "first_picture_by": painter.id if (painter := _painter(making)) else None,
        "ignored": _ignored(making) or None,
    }
    return said | {name: value for name, value in optional.items() if value is not None}


def _painter(making: _Making) -> Model | None:
    if isinstance(making.params, Img2VidParams):
        return None
    return first_picture_of(making.ready.model, making.ready.models)


def _ignored(making: _Making) -> list[str]:
    """The params that were given and that the model has no use for."""
    params, video = making.params, video_of(making.ready.model)
    drawn = _painter(making) is not None
    unused = {
        "prompt": bool(params.prompt) and not video.takes_text and not drawn,
        "negative_prompt": bool(params.negative_prompt) and not video.arguments.negative and not drawn,
        "guidance": params.guidance is not None and not video.arguments.guidance,
    }
    return [name for name, is_unused in unused.items() if is_unused]
