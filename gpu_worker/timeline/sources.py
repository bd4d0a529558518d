"""The files behind a timeline's references: each opened once, as what its bytes say it is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from math import sqrt
from pathlib import Path

from gpu_worker.context import Report
from gpu_worker.media.pictures import open_picture
from gpu_worker.media.probe import probe
from gpu_worker.timeline.film import Film, Source
from gpu_worker.timeline.pictures import LUT_FILE, write_lut
from gpu_worker.timeline.planner import plan
from gpu_worker.timeline.words import read_subtitles
from shared.errors import InvalidParams, MediaRefused
from shared.timeline import Caption, Clip, Overlay, Timeline
from shared.timeline.locations import parts, spell
from shared.timeline.sound import SoundPart

# More than twice the pixels of the largest frame; ffmpeg would hold all of a larger one for each clip.
_STILL_PIXELS = 40_000_000


@dataclass(frozen=True)
class Opened:
    """Every reference with its file, the lines of the subtitle file, and the LUT as ffmpeg may read it."""

    sources: dict[str, Source] = field(default_factory=dict)
    subtitles: tuple[Caption, ...] = ()
    lut: Path | None = None


def planned(timeline: Timeline, find: Callable[[str], Path], folder: Path, report: Report) -> Film:
    """The film of a timeline whose references `find` turns into local files; `folder` takes what has to be converted.

    Raises MediaRefused for a file that is nothing we open and InvalidParams for times that the files do not have, both
    with the name of the part: `clips[2]`, `overlays[0]`.
    """
    opened = open_sources(timeline, find, folder, report)
    return plan(timeline, opened.sources, opened.subtitles, opened.lut)


def open_sources(timeline: Timeline, find: Callable[[str], Path], folder: Path, report: Report) -> Opened:
    """Open everything that a timeline refers to; MediaRefused, with the name of the part."""
    wanted: dict[str, str] = {}
    found: Iterator[tuple[tuple[str | int, ...], Clip | Overlay | SoundPart]] = parts(
        timeline, Clip, Overlay, SoundPart
    )
    for location, part in found:
        wanted.setdefault(part.url, spell(location))
    sources = {}
    for number, (url, name) in enumerate(wanted.items()):
        report("probing", round(5 * number / len(wanted)), f"opening {name}")
        with _naming(name):
            sources[url] = open_source(find(url), folder / f"still{number}.png")
    return Opened(sources, _subtitles(timeline, find), _lut(timeline, find, folder))


def open_source(path: Path, still: Path) -> Source:
    """The file and what it is. Pictures are written anew to `still`, upright and in sRGB; transparency stays."""
    media = probe(path)
    if media.kind != "image":
        return Source(path, media)
    picture = open_picture(path, keep_alpha=True)
    scale = sqrt(_STILL_PIXELS / (picture.width * picture.height))
    if scale < 1:
        picture.thumbnail((round(picture.width * scale), round(picture.height * scale)))
    picture.save(still, compress_level=1)
    media = replace(media, container="png_pipe", video_codec="png", video_stream=0, alpha=picture.mode == "RGBA")
    return Source(still, replace(media, width=picture.width, height=picture.height))


def _subtitles(timeline: Timeline, find: Callable[[str], Path]) -> tuple[Caption, ...]:
    if timeline.subtitle_file is None:
        return ()
    with _naming("subtitle_file"):
        return read_subtitles(find(timeline.subtitle_file.url), timeline.subtitle_file)


def _lut(timeline: Timeline, find: Callable[[str], Path], folder: Path) -> Path | None:
    if timeline.look.lut_url is None:
        return None
    with _naming("style.lut_url"):
        write_lut(find(timeline.look.lut_url), folder)
    return folder / LUT_FILE


@contextlib.contextmanager
def _naming(name: str) -> Iterator[None]:
    try:
        yield
    except (MediaRefused, InvalidParams) as refusal:
        raise type(refusal)(f"{name}: {refusal.message}") from refusal
