"""EXPORT: a timeline of clips, captions, music and voice-over stitched into one MP4."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from gpu_worker.context import JobContext, Produced, ProducedFile
from gpu_worker.media.ffmpeg import ffmpeg_version
from gpu_worker.media.pictures import open_picture
from gpu_worker.media.probe import MediaInfo, probe
from gpu_worker.timeline.plan import Film, Source, plan
from gpu_worker.timeline.render import render
from shared.errors import EngineFailed, MediaRefused
from shared.job_types import ExportParams


def run(params: ExportParams, context: JobContext) -> Produced:
    """Make the film and measure it.

    Raises MediaRefused for a file that is nothing we open, InvalidParams for times that the files do not have, and
    EngineFailed when ffmpeg fails or the film does not measure as planned.
    """
    film = plan(params, _opened(params, context))
    path = render(film, context.workdir, context.report)
    measured = _checked(film, probe(path))
    return Produced(
        files=[
            ProducedFile(
                path,
                kind="video",
                content_type="video/mp4",
                width=measured.width,
                height=measured.height,
                duration_seconds=round(measured.duration, 3),
                fps=measured.fps,
            )
        ],
        engine={"name": "ffmpeg", "version": ffmpeg_version(), "device": "cpu"},
    )


def _opened(params: ExportParams, context: JobContext) -> dict[str, Source]:
    sources: dict[str, Source] = {}
    parts = list(_references(params))
    for n, (name, url) in enumerate(parts):
        context.report("probing", round(5 * n / len(parts)), f"opening {name}")
        if url not in sources:
            sources[url] = _source(name, context.input(url), context.workdir / f"still{n}.png")
    return sources


def _references(params: ExportParams) -> Iterator[tuple[str, str]]:
    yield from ((f"clips[{n}]", clip.url) for n, clip in enumerate(params.clips))
    if params.music:
        yield "music", params.music.url
    yield from ((f"voiceover[{n}]", voice.url) for n, voice in enumerate(params.voiceover))


def _source(name: str, path: Path, still: Path) -> Source:
    try:
        media = probe(path)
        if media.kind != "image":
            return Source(path, media)
        open_picture(path).save(still, compress_level=1)
        return Source(still, replace(media, container="png_pipe", video_stream=0))
    except MediaRefused as refusal:
        raise MediaRefused(f"{name}: {refusal.message}") from refusal


def _checked(film: Film, measured: MediaInfo) -> MediaInfo:
    is_as_planned = (
        (measured.width, measured.height) == (film.width, film.height)
        and abs(measured.duration - film.duration) < 0.5 / film.fps
        and measured.has_audio
    )
    if not is_as_planned:
        raise EngineFailed("The finished film does not have the length, the size or the sound that was planned.")
    return measured
