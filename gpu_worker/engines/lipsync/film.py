"""A whole lip-sync: faces found, mouths painted, the recording put under it, as an MP4 that says how."""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from gpu_worker.context import JobContext, Produced, ProducedFile
from gpu_worker.engines.device import name_of
from gpu_worker.engines.diffusion.steps import PREVIEW_SECONDS, PREVIEW_WIDTH, in_words
from gpu_worker.engines.lipsync import length
from gpu_worker.engines.lipsync.footage import Footage, open_footage, open_sound
from gpu_worker.engines.lipsync.mel import RATE, Floats
from gpu_worker.engines.lipsync.painter import Painter, Place, recipe
from gpu_worker.engines.lipsync.tracks import Box, Boxes, cut_out, speaker
from gpu_worker.engines.pool import EnginePool, pool_of
from gpu_worker.media.ffmpeg import run_ffmpeg
from gpu_worker.media.frames import Frame, FrameEncoder
from gpu_worker.media.probe import input_arguments, probe
from gpu_worker.models.store import Weights
from shared.catalog.model import Model
from shared.errors import MediaRefused
from shared.job_types import LipsyncParams

_FINDING_SIDE = 640
"""Faces are looked for in frames of at most so many pixels a side: down to a fortieth of it they are found."""
_LEAST_SIDE = 64
"""Below that nothing is left after the detector's five halvings."""
_FRAMES_HELD = 512 * 2**20
_FOUND, _PAINTED = 30, 93
T = TypeVar("T")


@dataclass(frozen=True)
class Ready:
    """A model that can run here: where, and its weights."""

    model: Model
    device: str
    weights: Weights


@dataclass
class _Making:
    """A film on its way."""

    params: LipsyncParams
    context: JobContext
    pool: EnginePool
    footage: Footage
    samples: Floats
    sound_frames: int
    timings: dict[str, float] = field(default_factory=dict)

    @property
    def fps(self) -> float:
        return float(self.footage.fps)

    @property
    def size(self) -> tuple[int, int]:
        return self.footage.width, self.footage.height

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self.timings[step] = round(time.monotonic() - started, 3)


@dataclass(frozen=True)
class _Made:
    """What was found and painted. `boxes` is for each frame of the footage, `painted` counts those of the result."""

    span: length.Span
    boxes: list[Box | None]
    most_faces: int
    painted: int
    batch: int
    film: ProducedFile
    cheap: bool


class _Pace:
    """Says how far a pass is, about a hundred times in all, and how long it still takes."""

    def __init__(self, making: _Making, stage: str, total: int, low: int, high: int) -> None:
        self._report, self._stage, self._total = making.context.report, stage, total
        self._low, self._high, self._started = low, high, time.monotonic()

    def done(self, count: int) -> None:
        """So many frames are done. What this raises ends the job between two batches."""
        total = max(self._total, count)
        left = (time.monotonic() - self._started) / count * (total - count)
        words = f"frame {count}/{total}" + (f", about {in_words(left)} left" if count < total else "")
        self._report(self._stage, self._low + (self._high - self._low) * count // total, words)


def make(params: LipsyncParams, context: JobContext, ready: Ready, pool: EnginePool | None = None) -> Produced:
    """`video.mp4`: the face speaks the recording, which replaces the film's own sound.

    Raises MediaRefused for a film without a face and for inputs that have no picture or no sound, BadWeights,
    MemoryExhausted, EngineFailed.
    """
    pool = pool or pool_of(ready.device)
    context.report("reading", 1, "reading the sound")
    footage = open_footage(context.input(params.video_url))
    samples = open_sound(context.input(params.audio_url))
    frames = max(1, round(len(samples) / RATE * footage.fps))
    making = _Making(params, context, pool, footage, samples, frames)
    pool.memory.restart()
    how = recipe(ready.model, ready.weights, ready.device)
    fresh = how.key not in pool.resident()
    if fresh:
        context.report("loading", 2, f"loading {ready.model.title}")
    made = pool.run(how, lambda painter: _make(making, painter))
    if fresh:
        making.timings["load"] = round(pool.loaded_in(how.key), 3)
    film = _with_sound(making, made)
    return Produced([film], _engine(making, made, ready, pool.memory.peak()), retire=pool.has_crept())


def _make(making: _Making, painter: Painter) -> _Made:
    with making.timed("find"):
        found = _find(making, painter)
    near = making.params.face
    point = (near[0] * making.size[0], near[1] * making.size[1]) if near else None
    boxes = speaker(found, making.fps, point)
    if not any(box is not None for box in boxes):
        raise MediaRefused("video_url: no face was found in any frame of it.")
    mode = "loop" if making.footage.is_still else making.params.sync_mode
    span = length.Span(len(boxes), making.sound_frames, mode)
    with making.timed("paint"):
        film, painted, batch = _paint(making, painter, span, boxes)
    return _Made(span, boxes, max(map(len, found)), painted, batch, film, painter.cheap)


def _find(making: _Making, painter: Painter) -> list[Boxes]:
    """The faces in each frame of the footage that can be of use, in pixels of the footage."""
    size = _small(making.size)
    scale = np.array([making.size[0] / size[0], making.size[1] / size[1]] * 2 + [1], np.float32)
    useful = length.wanted(making.params.sync_mode, making.sound_frames)
    said = min(making.footage.frames_said, useful or making.footage.frames_said)
    pace, found = _Pace(making, "finding faces", said, 3, _FOUND), list[Boxes]()
    with closing(making.footage.frames(size)) as frames:
        for pictures in _batches(islice(frames, useful), painter.pictures_at_once(making.pool.memory, size)):
            found += [boxes * scale for boxes in painter.find(pictures)]
            pace.done(len(found))
    return found


def _small(size: tuple[int, int]) -> tuple[int, int]:
    scale = min(1.0, _FINDING_SIDE / max(size))
    return max(_LEAST_SIDE, round(size[0] * scale)), max(_LEAST_SIDE, round(size[1] * scale))


def _paint(
    making: _Making, painter: Painter, span: length.Span, boxes: list[Box | None]
) -> tuple[ProducedFile, int, int]:
    """The film without sound, how many frames of it were painted, and how many at once."""
    footage, pace = making.footage, _Pace(making, "speaking", span.made, _FOUND, _PAINTED)
    batch = min(painter.faces_at_once(making.pool.memory), max(1, _FRAMES_HELD // (3 * footage.width * footage.height)))
    places = [box if box is None else cut_out(box, making.size, making.params.pad_bottom) for box in boxes]
    sound = painter.lips.listen(making.samples)
    shown, done, painted = time.monotonic(), 0, 0
    path = making.context.workdir / "silent.mp4"
    with FrameEncoder(path, footage.width, footage.height, footage.fps) as film:
        for group in _batches(length.in_order(span, footage.frames), batch):
            spoken = range(done, min(done + len(group), span.spoken))
            heard = painter.lips.hear(sound, making.fps, spoken)
            painted += _paint_batch(painter, group, places, heard)
            for _, frame in group:
                film.write(frame)
            done += len(group)
            pace.done(done)
            if time.monotonic() - shown >= PREVIEW_SECONDS:
                shown = time.monotonic()
                making.context.preview(_preview(group[-1][1]))
    return film.produced(), painted, batch


def _paint_batch(painter: Painter, group: list[tuple[int, Frame]], places: list[Place | None], heard: Floats) -> int:
    """Paint those that have a face and something to say; how many they were."""
    chosen = [
        (frame, place, sound)
        for (source, frame), sound in zip(group, heard, strict=False)
        if source < len(places) and (place := places[source]) is not None
    ]
    if chosen:
        frames, at, sounds = zip(*chosen, strict=True)
        painter.paint(frames, at, np.stack(sounds))
    return len(chosen)


def _batches(items: Iterable[T], most: int) -> Iterator[list[T]]:
    left = iter(items)
    while group := list(islice(left, most)):
        yield group


def _preview(frame: Frame) -> bytes:
    picture, jpeg = Image.fromarray(frame), io.BytesIO()
    picture.thumbnail((PREVIEW_WIDTH, PREVIEW_WIDTH))
    picture.save(jpeg, "JPEG", quality=60)
    return jpeg.getvalue()


def _with_sound(making: _Making, made: _Made) -> ProducedFile:
    """The film with the recording under it, exactly as long as its frames."""
    making.context.report("encoding", _PAINTED, "putting the sound under it")
    recording = making.context.input(making.params.audio_url)
    media, target = probe(recording), making.context.workdir / "video.mp4"
    seconds = made.film.duration_seconds or 0.0
    arguments = ["-i", f"file:{made.film.path}", *input_arguments(recording, media)]
    arguments += ["-map", "0:v:0", "-map", f"1:{media.audio_stream}", "-c:v", "copy", "-af", "apad"]
    arguments += ["-c:a", "aac", "-b:a", "192k", "-ar", "48000", "-map_metadata", "-1", "-t", f"{seconds:.6f}"]
    with making.timed("encode"):
        run_ffmpeg([*arguments, "-movflags", "+faststart", "-f", "mp4", str(target)], duration=seconds)
    Path(made.film.path).unlink()
    size = {"width": made.film.width, "height": made.film.height}
    return ProducedFile(target, "video", "video/mp4", **size, duration_seconds=seconds, fps=made.film.fps)


def _engine(making: _Making, made: _Made, ready: Ready, peak: int) -> dict[str, Any]:
    """What the result says about how the film was made."""
    model, licence = ready.model, ready.model.licence
    said: dict[str, Any] = {
        "name": model.id,
        "model": model.title,
        "repo": model.source.repo if model.source else None,
        "revision": ready.weights.revision,
        "licence": {"id": licence.id, "commercial": licence.commercial, "says": licence.says},
        "device": ready.device,
        "gpu": name_of(ready.device),
        "sync_mode": made.span.mode,
        "frames": made.span.made,
        "frames_painted": made.painted,
        "batch": made.batch,
        "memory": "small batches" if made.cheap else "resident",
        "made": _words(making, made),
        "timings": making.timings,
        "frames_per_second": round(made.span.made / max(making.timings["find"] + making.timings["paint"], 1e-3), 1),
    }
    return said | ({"peak_gb": round(peak / 1e9, 2)} if peak else {})


def _words(making: _Making, made: _Made) -> list[str]:
    """Everything that was done to meet the wish, for a person."""
    untouched = made.span.made - made.painted
    which = "one nearest to the point" if making.params.face else "largest"
    faces = f"of up to {made.most_faces} faces in a frame the {which} speaks"
    heights = [box[3] - box[1] for box in made.boxes if box is not None]
    return [
        sentence
        for sentence in (
            "the lower part of the face is painted at 96x96 pixels and scaled to its "
            f"{round(float(np.median(heights)))} pixels of height",
            faces if made.most_faces > 1 else "",
            f"{untouched} of {made.span.made} frames are as they were: no face, or no sound" if untouched else "",
            made.span.says,
            "HDR is brought to ordinary colours" if making.footage.media.is_hdr else "",
            "the film's own sound is replaced",
        )
        if sentence
    ]
