"""What only the files can tell is wrong: each problem in words, and refused or mended as the timeline says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from gpu_worker.media.probe import MediaInfo
from gpu_worker.timeline.film import Source
from shared.errors import InvalidParams
from shared.timeline import Clip, Music, Overlay, SoundEffect, Timeline, Voiceover
from shared.timeline.locations import Location, Problem, parts, spell
from shared.timeline.outside import CUT, SLACK_SECONDS
from shared.timeline.sound import SoundPart

_LONGEST_SHAPE = 20


def settled(timeline: Timeline, problems: Iterable[Problem]) -> list[str]:
    """What was done about them, in sentences; InvalidParams for the first that is to be refused."""
    notes = []
    for problem in problems:
        if problem.remedy is None or timeline.out_of_range == "refuse":
            raise InvalidParams(f"{problem.sentence}.")
        notes.append(f"{problem.sentence}; {problem.remedy}.")
    return notes


def file_problems(timeline: Timeline, sources: Mapping[str, Source]) -> Iterator[Problem]:
    """Parts that their files do not fit."""
    for location, clip in parts(timeline, Clip):
        yield from _picture_problems(location, sources[clip.url].media) or _clip_problems(
            location, clip, sources[clip.url].media
        )
    for location, overlay in parts(timeline, Overlay):
        media = sources[overlay.url].media
        yield from _picture_problems(location, media)
        if media.kind == "video" and overlay.source_start >= media.duration:
            yield _begins_late((*location, "source_start"), location, overlay.source_start, media)
    for location, part in parts(timeline, Music, Voiceover, SoundEffect):
        yield from _sound_problems(location, part, sources[part.url].media)


def _picture_problems(location: Location, media: MediaInfo) -> list[Problem]:
    width, height = media.width or 1, media.height or 1
    if not media.has_video:
        return [Problem(location, f"{spell(location)} is a sound without a picture; use it as music or voiceover")]
    if max(width, height) > _LONGEST_SHAPE * min(width, height):
        return [Problem(location, f"{spell(location)} is {width}×{height} pixels, too narrow to fill a frame")]
    return []


def _clip_problems(location: Location, clip: Clip, media: MediaInfo) -> Iterator[Problem]:
    name = spell(location)
    if media.kind == "image":
        if clip.until is None:
            yield Problem(location, f"{name} is a still picture, so it needs a duration that says how long it is shown")
        return
    if clip.start >= media.duration:
        yield _begins_late((*location, "start"), location, clip.start, media)
    elif clip.until is not None and clip.until > media.duration + SLACK_SECONDS:
        yield Problem((*location, "end"), f"{name} ends at {clip.until:.2f} s, {_only(media)}", CUT)
    at = clip.freeze.at if clip.freeze else None
    if at is not None and at > media.duration + SLACK_SECONDS:
        yield Problem(
            (*location, "freeze", "at"), f"{name} freezes at {at:.2f} s, {_only(media)}", "its last frame is held"
        )


def _sound_problems(location: Location, part: SoundPart, media: MediaInfo) -> Iterator[Problem]:
    if not media.has_audio:
        yield Problem(location, f"{spell(location)} has no sound")
    elif part.source_start >= media.duration:
        yield _begins_late((*location, "source_start"), location, part.source_start, media)
    elif part.source_end is not None and part.source_end > media.duration + SLACK_SECONDS:
        sentence = f"{spell(location)} ends at {part.source_end:.2f} s of its file, {_only(media)}"
        yield Problem((*location, "source_end"), sentence, CUT)


def _begins_late(field: Location, location: Location, at: float, media: MediaInfo) -> Problem:
    return Problem(field, f"{spell(location)} starts at {at:.2f} s, {_only(media)}")


def _only(media: MediaInfo) -> str:
    return f"but its file is only {media.duration:.2f} s long"
