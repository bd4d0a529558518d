"""What a model can make of a wish: frames, size, shots, and what is refused before money is spent. Pure functions."""

from __future__ import annotations

import math
from dataclasses import dataclass

from shared.catalog import Catalog
from shared.catalog.model import FrameRule, Model, SizeRule, Video
from shared.catalog.refused import Refused as Refused
from shared.catalog.speech import check_speech
from shared.job_types import AnyParams, FrameFit, Img2VidParams, JobType, RenderParams, TtsParams
from shared.timeline import frame_size

MOST_SHOTS = 12
"""A clip is put together from so many at most: each goes on from a picture, and small faults add up."""
VideoParams = RenderParams | Img2VidParams


@dataclass(frozen=True)
class Shot:
    """One call of one model."""

    model: Model
    frames: int


@dataclass(frozen=True)
class Clip:
    """How a clip is made: its shots at the model's own size, of which `frames` are kept and brought to `target`.

    Each shot but the first starts with the last picture of the one before, which is not shown twice.
    """

    shots: tuple[Shot, ...]
    fps: int
    frames: int
    size: tuple[int, int]
    target: tuple[int, int]
    fit: FrameFit

    @property
    def says(self) -> tuple[str, ...]:
        """Everything that was done to meet the wish, for a person."""
        return tuple(sentence for sentence in (*self._of_time(), *self._of_size()) if sentence)

    def _of_time(self) -> tuple[str, ...]:
        made = sum(shot.frames for shot in self.shots) - len(self.shots) + 1
        joined = f"{len(self.shots)} shots, each going on from the last picture of the one before"
        trimmed = f"{made} frames made, the first {self.frames} kept: this model makes certain counts alone"
        return (
            joined if len(self.shots) > 1 else "",
            trimmed if made > self.frames else "",
            f"{self.fps} frames a second, the model's own rate",
        )

    def _of_size(self) -> tuple[str, ...]:
        (width, height), (wide, high) = self.size, self.target
        if self.size == self.target:
            return (f"made at {width}x{height}",)
        factor = (max if self.fit == "crop" else min)(wide / width, high / height)
        shown = min(1.0, wide * high / (width * height * factor * factor))
        filled = min(1.0, width * height * factor * factor / (wide * high))
        cut, bars = f"{round(100 * (1 - shown))} % of it cut off", f"{round(100 * (1 - filled))} % bars"
        return (
            f"made at {width}x{height}, the nearest size this model makes",
            f"{cut if self.fit == 'crop' else bars} to meet the aspect" if min(shown, filled) <= 0.995 else "",
            f"scaled by {factor:.3g} to {wide}x{high}",
        )


def legal_frames(rule: FrameRule, wanted: int) -> int:
    """The least legal count that is `wanted` or more, and the largest where there is none."""
    steps = math.ceil((max(wanted, rule.least) - rule.plus) / rule.every)
    return min(rule.every * steps + rule.plus, rule.most)


def is_legal_size(rule: SizeRule, width: int, height: int) -> bool:
    """Whether the model makes pictures of this size."""
    return (width, height) in rule.buckets


def nearest_size(buckets: tuple[tuple[int, int], ...], width: int, height: int) -> tuple[int, int]:
    """The bucket that loses least when it is cut and scaled to the wanted size; the aspect counts for more."""

    def cost(bucket: tuple[int, int]) -> float:
        wide, high = bucket
        aspect = abs(math.log(wide / high * height / width))
        return 2 * aspect + abs(math.log(wide * high / (width * height)))

    return min(buckets, key=cost)


def longest_seconds(model: Model, models: Catalog) -> float:
    """The longest clip that can be made with the model, in seconds; infinite for what is no video model."""
    if model.video is None:
        return math.inf
    frames, follower = model.video.frames.most, _follower(model.video, models)
    if follower is not None:
        frames += (MOST_SHOTS - 1) * (follower.frames.most - 1)
    return frames / model.video.fps


def plan(model: Model, duration: float, target: tuple[int, int], models: Catalog, fit: FrameFit = "crop") -> Clip:
    """How `model` makes a clip of `duration` seconds at `target`. Raises Refused for one that is too long."""
    video = _video(model)
    longest = longest_seconds(model, models)
    frames = max(1, round(duration * video.fps))
    if frames > longest * video.fps + 1e-6:
        raise Refused(
            "duration", f"{model.title} makes {longest:.4g} seconds at most, and {duration:g} were asked for."
        )
    shots = _shots(model, frames, models)
    shared = [bucket for bucket in video.size.buckets if all(bucket in _video(s.model).size.buckets for s in shots)]
    return Clip(shots, video.fps, frames, nearest_size(tuple(shared), *target), target, fit)


def plan_for(params: VideoParams, model: Model, models: Catalog) -> Clip:
    """The clip that params ask of a model."""
    return plan(model, params.duration, frame_size(params.resolution, params.aspect_ratio), models, params.fit)


def check(job_type: JobType, params: AnyParams, model: Model, models: Catalog) -> None:
    """Raise Refused for what the model can never do, wherever it runs."""
    if job_type not in model.job_types:
        kinds = " and ".join(model.job_types) or "the pictures other models start from"
        raise Refused("model", f"{model.title} is for {kinds}, not for {job_type}.")
    if isinstance(params, TtsParams):
        check_speech(params, model)
    if model.video is None or not isinstance(params, RenderParams | Img2VidParams):
        return
    if isinstance(params, RenderParams) and not model.video.takes_text and not model.video.first_picture:
        raise Refused("model", f"{model.title} takes no text: give it a picture with IMG2VID.")
    if params.lora is not None and not model.video.lora:
        raise Refused("lora", f"{model.title} takes no LoRA.")
    if params.profile not in model.video.profiles:
        raise Refused("profile", f"{model.title} knows {' and '.join(model.video.profiles)} alone.")
    plan_for(params, model, models)


def _video(model: Model) -> Video:
    if model.video is None:
        raise Refused("model", f"{model.title} is not a video model.")
    return model.video


def _follower(video: Video, models: Catalog) -> Video | None:
    return _video(models[video.continued_by]) if video.continued_by else None


def _shots(model: Model, frames: int, models: Catalog) -> tuple[Shot, ...]:
    rule, continued_by = _video(model).frames, _video(model).continued_by
    shots = [Shot(model, legal_frames(rule, frames))]
    left = frames - shots[0].frames
    while left > 0 and continued_by:
        follower = models[continued_by]
        shots.append(Shot(follower, legal_frames(_video(follower).frames, left + 1)))
        left -= shots[-1].frames - 1
    return tuple(shots)
