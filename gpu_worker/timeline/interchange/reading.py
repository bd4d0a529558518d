"""An OpenTimelineIO file read as a timeline. What cannot be taken over is said in words, one sentence each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import opentimelineio as otio
from pydantic import ValidationError

from gpu_worker.timeline.interchange.terms import OVERLAY, SOUND_KINDS, own_words
from shared.errors import InvalidParams, MediaRefused
from shared.references import check_reference
from shared.timeline import Timeline

Json = dict[str, Any]
_MOST_FPS = 60
_NAMES = {"music": ("music", "bed", "score"), "voice": ("voice", "vo", "dialog", "narration", "speech")}


@dataclass(frozen=True)
class Imported:
    """A timeline out of another program, and what of it was left out or changed."""

    timeline: Timeline
    notes: tuple[str, ...]


def from_otio(path: Path, files: Mapping[str, str] | None = None) -> Imported:
    """Read a `.otio` file. `files` turns the media that it names, whole or by file name, into addresses for params.

    Where the file has tracks for sound, clips are muted: what they sound like lies there. Raises MediaRefused for what
    is no OpenTimelineIO timeline, InvalidParams for media without an address and for what makes no film.
    """
    film = _read(path.read_bytes())
    if not isinstance(film, otio.schema.Timeline):
        raise MediaRefused("This OpenTimelineIO file holds no timeline.")
    try:
        reader = _Reader(files or {}, _rate(film))
        timeline = Timeline.model_validate(reader.film(film))
    except ValidationError as wrong:
        raise InvalidParams(f"This makes no film: {wrong.errors()[0]['msg']}") from wrong
    except otio.exceptions.OTIOError as vague:
        raise InvalidParams("A clip of it does not say which part of its file it shows.") from vague
    return Imported(timeline, tuple(dict.fromkeys(reader.notes)))


def _read(content: bytes) -> object:
    try:
        # The library ends the process when a file is nested too deeply; Python's own reader says so.
        json.loads(content)
        read: object = otio.adapters.read_from_string(content.decode(), adapter_name="otio_json")
    except (ValueError, KeyError, RecursionError, otio.exceptions.OTIOError) as damaged:
        raise MediaRefused("This is not an OpenTimelineIO file.") from damaged
    return read


def _rate(film: Any) -> float:  # noqa: ANN401 - the library has no types
    return next((item.duration().rate for item in film.find_clips()), 30.0)


@dataclass
class _Reader:
    """Reads with notes about what it leaves out; `rate` is the film's, in frames a second."""

    files: Mapping[str, str]
    rate: float
    notes: list[str] = field(default_factory=list)

    def film(self, film: Any) -> Json:  # noqa: ANN401
        """The timeline as params."""
        rest = own_words(film)
        if not rest:
            fps = min(_MOST_FPS, max(1, round(self.rate)))
            rest = {"output": {"fps": fps}, "metadata": {"title": film.name[:200] or None}}
            if abs(fps - self.rate) > 1e-3:
                self.notes.append(f"The film is made with {fps} frames a second instead of {self.rate:.3f}.")
        tracks = [track for track in film.tracks if isinstance(track, otio.schema.Track)]
        if len(tracks) < len(film.tracks):
            self.notes.append("What is nested on the top level is left out.")
        has_sound = any(track.kind == otio.schema.TrackKind.Audio for track in tracks)
        found = [self._track(track, has_sound) for track in tracks]
        return {**rest, "tracks": [track for track in found if track["items"]], **self._texts(film.tracks.markers)}

    def _track(self, track: Any, has_sound: bool) -> Json:  # noqa: ANN401
        kind = own_words(track).get("kind") or _kind(track)
        if not track.enabled:
            self.notes.append(f"The track “{track.name}” is switched off and left out.")
            return {"type": kind, "items": []}
        if kind == "video":
            return {"type": kind, "items": self._clips(track, has_sound)}
        return {"type": kind, "items": list(self._parts(track, kind))}

    def _clips(self, track: Any, has_sound: bool) -> list[Json]:  # noqa: ANN401
        items: list[Json] = []
        joint: Any = None
        for at, child in _placed(track):
            if isinstance(child, otio.schema.Transition):
                joint = child
                continue
            clip = self._clip(child, at, has_sound)
            if clip is not None and joint is not None and items and _meet(items[-1], at):
                self._join(items[-1], clip, joint)
            elif joint is not None:
                self.notes.append(f"The transition “{joint.name}” has a clip on one side only and is left out.")
            joint = None
            if clip is not None:
                items.append(clip)
        return [{name: value for name, value in item.items() if not name.startswith("_")} for item in items]

    def _clip(self, child: Any, at: float, has_sound: bool) -> Json | None:  # noqa: ANN401
        if isinstance(child, otio.schema.Gap):
            return None
        url = self._url(child)
        if url is None:
            return None
        words = own_words(child)
        seconds = child.duration().to_seconds()
        start, speed = _start(child), self._speed(child)
        clip = {name: value for name, value in words.items() if name != "frames"}
        moving = seconds - clip["freeze"]["duration"] if "freeze" in clip else seconds
        if not words and has_sound:
            clip["mute"] = True
        clip |= {"url": url, "at": at, "start": start, "_end": at + seconds, "_length": _length(child)}
        if speed == 0:
            frame = 1 / self.rate
            freeze = {"freeze": {"at": start, "duration": seconds - frame}} if seconds > 1.5 * frame else {}
            return {**clip, "end": start + frame, "_still": True, **freeze}
        moving = max(moving, 1 / self.rate)
        return {**clip, "end": start + moving * abs(speed), "speed": abs(speed), "reverse": speed < 0}

    def _join(self, left: Json, right: Json, joint: Any) -> None:  # noqa: ANN401
        """Both clips reach over the cut, as far as their files go."""
        name = own_words(joint).get("type")
        if name is None:
            name = "crossfade"
            if joint.transition_type != otio.schema.TransitionTypes.SMPTE_Dissolve:
                self.notes.append(f"The transition “{joint.name}” became a crossfade.")
        late = _extend_end(left, joint.out_offset.to_seconds())
        early = _extend_start(right, joint.in_offset.to_seconds())
        if late + early >= 2 / self.rate:
            left["transition"] = {"type": name, "duration": late + early}

    def _parts(self, track: Any, kind: str) -> Iterator[Json]:  # noqa: ANN401
        for at, child in _placed(track):
            if isinstance(child, otio.schema.Transition):
                self.notes.append(f"The transition “{child.name}” between sounds or overlays is left out.")
            elif not isinstance(child, otio.schema.Gap) and (url := self._url(child)) is not None:
                yield self._part(child, at, kind, url)

    def _part(self, child: Any, at: float, kind: str, url: str) -> Json:  # noqa: ANN401
        words, seconds, start = own_words(child), child.duration().to_seconds(), _start(child)
        if self._speed(child) != 1:
            self.notes.append(f"The speed of “{child.name}” is left out.")
        part = {name: value for name, value in words.items() if name != "frames"}
        part |= {"url": url, "start": at, "source_start": start}
        as_written = words.get("frames") == round(seconds * self.rate)
        if kind == OVERLAY or (kind == "music" and part.get("loop", bool(words))):
            end = {"end": at + seconds}
        else:
            end = {"source_end": start + seconds}
        if not words and kind == "music":
            part["loop"] = False
        return part if as_written else {**part, **end}

    def _texts(self, markers: Any) -> Json:  # noqa: ANN401
        texts: dict[str, list[Json]] = {"captions": [], "titles": []}
        for marker in markers:
            words = own_words(marker)
            for kind, found in (("caption", texts["captions"]), ("title", texts["titles"])):
                if isinstance(words.get(kind), dict):
                    found.append(words[kind])
            if not words:
                self.notes.append(f"The marker “{marker.name}” is left out.")
        return texts

    def _url(self, child: Any) -> str | None:  # noqa: ANN401
        if not isinstance(child, otio.schema.Clip):
            self.notes.append(f"“{child.name}” holds other clips and is left out; its place is empty.")
            return None
        reference = child.media_reference
        if not child.enabled or not isinstance(reference, otio.schema.ExternalReference):
            why = "is switched off" if not child.enabled else "names no file"
            self.notes.append(f"The clip “{child.name}” {why} and is left out; its place is empty.")
            return None
        named = str(reference.target_url)
        url = self.files.get(named) or self.files.get(named.rsplit("/", 1)[-1]) or named
        try:
            return check_reference(url)
        except ValueError as wrong:
            raise InvalidParams(f"The clip “{child.name}” names a file that has no address yet: {wrong}.") from wrong

    def _speed(self, child: Any) -> float:  # noqa: ANN401
        speed = 1.0
        for effect in child.effects:
            if isinstance(effect, otio.schema.LinearTimeWarp):
                speed *= effect.time_scalar
            else:
                self.notes.append(f"The effect “{effect.name or effect.effect_name}” of “{child.name}” is left out.")
        return speed


def _kind(track: Any) -> str:  # noqa: ANN401
    if track.kind != otio.schema.TrackKind.Audio:
        return "video"
    words = track.name.lower().split()
    return next((kind for kind, names in _NAMES.items() if any(name in words for name in names)), SOUND_KINDS[-1])


def _placed(track: Any) -> Iterator[tuple[float, Any]]:  # noqa: ANN401
    """Every item with the second of the film at which it begins."""
    at = 0.0
    for child in track:
        yield at, child
        if not isinstance(child, otio.schema.Transition):
            at += child.duration().to_seconds()


def _start(child: Any) -> float:  # noqa: ANN401
    """Seconds into the file; many files count from a timecode that is not zero."""
    start = float(child.trimmed_range().start_time.to_seconds())
    whole = child.media_reference.available_range
    return max(0.0, start - (whole.start_time.to_seconds() if whole else 0.0))


def _length(child: Any) -> float | None:  # noqa: ANN401
    whole = child.media_reference.available_range
    return float(whole.duration.to_seconds()) if whole else None


def _meet(left: Json, at: float) -> bool:
    return abs(float(left["_end"]) - at) < 1e-6


def _extend_end(clip: Json, seconds: float) -> float:
    """Let a clip go on for so many seconds of film more, or as many as its file has; returns how many."""
    return _extend(clip, seconds, at_its_end=True)


def _extend_start(clip: Json, seconds: float) -> float:
    """Let a clip begin so many seconds of film earlier, or as many as its file has; returns how many."""
    added = _extend(clip, seconds, at_its_end=False)
    clip["at"] -= added
    return added


def _extend(clip: Json, seconds: float, *, at_its_end: bool) -> float:
    if clip.get("_still"):
        if "freeze" in clip:
            clip["freeze"]["duration"] += seconds
            return seconds
        return 0.0
    if at_its_end != clip["reverse"]:
        left = float("inf") if clip["_length"] is None else clip["_length"] - clip["end"]
        added = max(0.0, min(seconds * clip["speed"], left))
        clip["end"] += added
    else:
        added = min(seconds * clip["speed"], clip["start"])
        clip["start"] -= added
    return float(added / clip["speed"])
