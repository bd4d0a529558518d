"""From a timeline and its probed files to a plan on the film's own frame grid. Pure: nothing is opened or run.

Everything is counted in whole film frames, so lengths add up exactly: the film is the sum of its pieces less the
frames that neighbours share in a crossfade.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from math import floor
from pathlib import Path
from typing import Literal

from gpu_worker.media.probe import MediaInfo
from shared.errors import InvalidParams
from shared.timeline import Caption, Clip, Music, Output, Timeline, Transition, Voiceover

# How far past a file's end a person may point and still be understood: players round what they show.
SLACK_SECONDS = 0.1

_LONGEST_SHAPE = 20
# In frames. A single one would show the first clip alone, as a cut does.
_SHORTEST_FADE = 2
# Seconds that sums of decimal fractions may be off.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Source:
    """A local file and what it is."""

    path: Path
    media: MediaInfo


@dataclass(frozen=True)
class Piece:
    """`frames` of film from a source, from `start` seconds into it; the last `overlap` are shared with the next."""

    source: Source
    start: float
    frames: int
    overlap: int
    fit: Literal["contain", "cover", "blur"]
    volume: float


@dataclass(frozen=True)
class Voice:
    """A spoken part that begins `start` seconds into the film."""

    source: Source
    start: float
    volume: float


@dataclass(frozen=True)
class MusicBed:
    """Music under the whole film."""

    source: Source
    settings: Music


@dataclass(frozen=True)
class Film:
    """The whole film: sizes in pixels, times in seconds unless named frames."""

    width: int
    height: int
    fps: int
    pieces: tuple[Piece, ...]
    captions: tuple[Caption, ...] = ()
    music: MusicBed | None = None
    voices: tuple[Voice, ...] = ()

    @property
    def frames(self) -> int:
        """Length in frames."""
        return length(self.pieces)

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.frames / self.fps


def length(pieces: tuple[Piece, ...]) -> int:
    """Frames of the film these pieces make; what the last one would share with its successor is its own here."""
    return sum(p.frames for p in pieces) - sum(p.overlap for p in pieces[:-1])


def plan(timeline: Timeline, sources: Mapping[str, Source]) -> Film:
    """The plan of a timeline whose references `sources` maps to opened files.

    Raises InvalidParams, naming the part as the timeline does (`clips[2]`), for what only the files can tell: times
    outside a file or the film, a crossfade longer than half a clip, a part without the picture or sound it needs.
    """
    width, height = timeline.output.size
    film = Film(
        width,
        height,
        timeline.output.fps,
        tuple(_pieces(timeline, sources)),
        captions=tuple(timeline.captions),
        music=_music(timeline.music, sources),
        voices=tuple(_voice(n, voice, sources) for n, voice in enumerate(timeline.voiceover)),
    )
    _check_times(film)
    return film


def _pieces(timeline: Timeline, sources: Mapping[str, Source]) -> list[Piece]:
    """Every clip from the frame nearest its beginning to the one nearest its end, so that roundings never add up."""
    fps = timeline.output.fps
    clips = [(clip, sources[clip.url]) for clip in timeline.clips]
    seconds = [_end(f"clips[{n}]", clip, source.media) - clip.start for n, (clip, source) in enumerate(clips)]
    fades = [*(_fade(clip.transition, fps) for clip in timeline.clips[:-1]), 0.0]
    _check_crossfades(seconds, fades)
    starts = accumulate((long - fade for long, fade in zip(seconds, fades, strict=True)), initial=0.0)
    pieces = []
    for (clip, source), long, fade, start in zip(clips, seconds, fades, starts, strict=False):
        first, last, following = (floor(t * fps + 0.5) for t in (start, start + long, start + long - fade))
        piece = _piece(clip, source, timeline.output, frames=max(1, last - first), overlap=last - following)
        pieces.append(piece)
    return [_within_halves(left, right) for left, right in pairwise(pieces)] + pieces[-1:]


def _piece(clip: Clip, source: Source, output: Output, *, frames: int, overlap: int) -> Piece:
    start = 0.0 if source.media.kind == "image" else clip.start
    volume = clip.volume if source.media.has_audio and not clip.mute else 0.0
    return Piece(source, start, frames, overlap, clip.fit or output.fit, volume)


def _within_halves(left: Piece, right: Piece) -> Piece:
    return replace(left, overlap=min(left.overlap, left.frames // 2, right.frames // 2))


def _fade(transition: Transition | None, fps: int) -> float:
    if transition is None or transition.type == "cut" or transition.duration * fps < _SHORTEST_FADE:
        return 0.0
    return transition.duration


def _end(name: str, clip: Clip, media: MediaInfo) -> float:
    if not media.has_video:
        raise InvalidParams(f"{name} is a sound without a picture; use it as music or voiceover.")
    if max(media.width or 1, media.height or 1) > _LONGEST_SHAPE * min(media.width or 1, media.height or 1):
        raise InvalidParams(f"{name} is {media.width}×{media.height} pixels, too narrow to fill a frame.")
    if media.kind == "image":
        if clip.end is None:
            raise InvalidParams(f"{name} is a still picture, so it needs an end that says how long it is shown.")
        return clip.end
    if clip.start >= media.duration:
        raise InvalidParams(f"{name} starts at {clip.start:.2f} s, but its file is only {media.duration:.2f} s long.")
    if clip.end is not None and clip.end > media.duration + SLACK_SECONDS:
        raise InvalidParams(f"{name} ends at {clip.end:.2f} s, but its file is only {media.duration:.2f} s long.")
    return min(clip.end or media.duration, media.duration)


def _check_crossfades(seconds: list[float], fades: list[float]) -> None:
    for n, fade in enumerate(fades[:-1]):
        for index in (n, n + 1):
            if fade > seconds[index] / 2 + _ROUNDING:
                raise InvalidParams(
                    f"The crossfade after clips[{n}] takes {fade:.2f} s, which is more than half of "
                    f"clips[{index}] ({seconds[index]:.2f} s)."
                )


def _music(music: Music | None, sources: Mapping[str, Source]) -> MusicBed | None:
    return None if music is None else MusicBed(_with_sound("music", sources[music.url]), music)


def _voice(index: int, voice: Voiceover, sources: Mapping[str, Source]) -> Voice:
    return Voice(_with_sound(f"voiceover[{index}]", sources[voice.url]), voice.start, voice.volume)


def _with_sound(name: str, source: Source) -> Source:
    if not source.media.has_audio:
        raise InvalidParams(f"{name} has no sound.")
    return source


def _check_times(film: Film) -> None:
    seconds = f"{film.duration:.2f} s"
    for n, caption in enumerate(film.captions):
        if caption.end > film.duration + SLACK_SECONDS:
            raise InvalidParams(f"captions[{n}] ends at {caption.end:.2f} s, but the film is only {seconds} long.")
    for n, voice in enumerate(film.voices):
        if voice.start >= film.duration:
            raise InvalidParams(f"voiceover[{n}] starts at {voice.start:.2f} s, but the film is only {seconds} long.")
