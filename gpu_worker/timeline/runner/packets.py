"""Compressed pictures as they lie in their files: an index of them, and a film put together from runs of them.

Every picture stands on the film's own frame grid: its time is its number, and decoding times are what the order of
the pictures leaves (the n-th decoded comes as many frames ahead of the n-th shown as the deepest reordering asks).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from math import floor
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from shared.errors import EngineFailed

# In frames; Matroska rounds times to milliseconds.
_OFF_GRID = Fraction(1, 8)
_RECORD_HEAD = 7
_LENGTH_BYTES = 4
_UNFIT = "The copied and the encoded pieces of the film do not fit together."
# Types of units: slices of pictures, in pieces or whole, and those of an IDR picture.
_SLICES, _IDR_SLICE = (1, 2, 5), 5


@dataclass(frozen=True)
class Track:
    """The picture of a file: its demuxer, and the number of the stream."""

    path: Path
    container: str
    stream: int


@dataclass(frozen=True)
class Picture:
    """One compressed picture: its number on the grid of the file, and whether decoding may begin or end there."""

    number: int
    is_entry: bool


@dataclass(frozen=True)
class Index:
    """The pictures of a stretch of a file in decoding order; number 0 of the file is shown `zero` seconds into it.

    Runs of files of one `kind` may follow one another.
    """

    track: Track
    pictures: tuple[Picture, ...]
    zero: float
    kind: tuple[object, ...]

    @property
    def end(self) -> int:
        """The number after the last."""
        return max(picture.number for picture in self.pictures) + 1

    def run(self, start: int, end: int, first: int) -> Run:
        """The pictures from one entry to another, to become the film's from `first` on."""
        numbers = [picture.number - start for picture in self.pictures if start <= picture.number < end]
        return Run(self.track, start, end, first, _depth(numbers))


@dataclass(frozen=True)
class Run:
    """Pictures of a file from number `start` to before `end`, which become the film's from `first` on.

    `depth` is by how many pictures decoding is ahead of showing; None where nobody has looked yet.
    """

    track: Track
    start: int
    end: int
    first: int
    depth: int | None = None


def index(track: Track, fps: int, start: float, end: float) -> Index | None:
    """The groups of pictures that the seconds from `start` to `end` of the file lie in.

    None when they do not come at exactly `fps` a second, or cannot be taken out of the file as they are.
    """
    with _opened(track) as (file, video):
        if not _parameter_sets(video):
            return None
        zero = Fraction(video.start_time or 0) * Fraction(video.time_base or 0) - _origin(file)
        first, last = (floor((Fraction(second) - zero) * fps) for second in (start, end))
        found = list(_packets(file, video, fps, first, last))
        numbers = [round(number) for number, _ in found]
        if not found or sorted(numbers) != list(range(min(numbers), max(numbers) + 1)):
            return None
        if any(abs(number - round(number)) > _OFF_GRID for number, _ in found):
            return None
        keys = [bool(packet.is_keyframe) and _is_fresh_start(bytes(packet)) for _, packet in found]
        return Index(track, tuple(_entries(numbers, keys)), float(zero), _kind(video))


def join(runs: Sequence[Run], fps: int, target: Path) -> None:
    """Write the runs, one after another, into the MP4 file `target`; EngineFailed when they do not fit together."""
    depth = max(_depth_of(run, fps) for run in runs)
    pattern = next((run.track for run in runs if run.track.container == "mov"), runs[0].track)
    written: list[int] = []
    try:
        with av.open(f"file:{target}", "w", format="mp4") as out, _opened(pattern) as (_, model):
            stream = out.add_stream_from_template(model)
            stream.time_base = Fraction(1, fps)
            for number, is_key, data in _read(runs, fps):
                packet = av.Packet(data)
                packet.stream, packet.time_base = stream, Fraction(1, fps)
                packet.pts, packet.dts, packet.duration = number, len(written) - depth, 1
                packet.is_keyframe = is_key
                out.mux(packet)
                written.append(number)
    except (av.error.FFmpegError, ValueError) as problem:
        raise EngineFailed(_UNFIT) from problem
    if sorted(written) != list(range(len(written))):
        raise EngineFailed(_UNFIT)


def decodes_across(path: Path, seams: Sequence[int], fps: int) -> bool:
    """Whether the picture of a film decodes without an error, and no frame is missing, across each of these frames."""
    with _opened(Track(path, "mov", 0)) as (file, video):
        # Errors are all that matters here, not how its block edges look.
        video.codec_context.options = {"err_detect": "explode", "skip_loop_filter": "all"}
        try:
            return all(_decodes(file, video, seam, fps) for seam in seams)
        except av.error.FFmpegError:
            return False


def _decodes(file: InputContainer, video: VideoStream, seam: int, fps: int) -> bool:
    shown = set()
    file.seek(round(Fraction(max(0, seam - 1), fps) / Fraction(video.time_base or 1)), stream=video)
    for frame in file.decode(video):
        shown.add(round((frame.time or 0) * fps))
        if max(shown) > seam + 1:
            break
    return {max(0, seam - 1), seam} <= shown


def _depth(numbers: list[int]) -> int:
    return max((n - number for n, number in enumerate(numbers)), default=0)


def _depth_of(run: Run, fps: int) -> int:
    return _depth([number - run.first for number, _, _ in _read([run], fps)]) if run.depth is None else run.depth


def _read(runs: Sequence[Run], fps: int) -> Iterator[tuple[int, bool, bytes]]:
    """Every picture with its number in the film. Each key picture carries its own parameter sets, since those of
    other runs differ.
    """
    for run in runs:
        with _opened(run.track) as (file, video):
            sets = _parameter_sets(video)
            for exact, packet in _packets(file, video, fps, run.start, run.end - 1):
                number = round(exact)
                if run.start <= number < run.end:
                    data = sets + bytes(packet) if packet.is_keyframe else bytes(packet)
                    yield run.first + number - run.start, bool(packet.is_keyframe), data


def _packets(
    file: InputContainer, video: VideoStream, fps: int, first: int, last: int
) -> Iterator[tuple[Fraction, Any]]:
    """Numbered packets in decoding order, from the key picture before `first` to the one after `last`."""
    tick, zero = Fraction(video.time_base or 0), video.start_time or 0
    file.seek(zero + round(Fraction(max(0, first), fps) / tick), stream=video)
    for packet in file.demux(video):
        if packet.pts is None:
            return
        number = (packet.pts - zero) * tick * fps
        if packet.is_keyframe and number > last:
            return
        if not packet.is_discard:
            yield number, packet


def _entries(numbers: list[int], keys: list[bool]) -> list[Picture]:
    """A key picture is an entry when all before it in the file are shown before it and all after it after it."""
    latest = accumulate(numbers, max, initial=-1)
    soonest = [*accumulate(reversed(numbers), min)][::-1]
    return [
        Picture(number, is_key and before < number == after)
        for number, is_key, before, after in zip(numbers, keys, latest, soonest, strict=False)
    ]


def _is_fresh_start(data: bytes) -> bool:
    """Whether the picture is an IDR picture: new parameter sets may take effect only there (ITU-T H.264, 7.4.1.2.1)."""
    at = 0
    while at + _LENGTH_BYTES < len(data):
        kind = data[at + _LENGTH_BYTES] & 0x1F
        if kind in _SLICES:
            return kind == _IDR_SLICE
        at += _LENGTH_BYTES + int.from_bytes(data[at : at + _LENGTH_BYTES], "big")
    return False


def _kind(video: VideoStream) -> tuple[object, ...]:
    codec = video.codec_context
    colours = (codec.color_range, codec.color_primaries, codec.color_trc, codec.colorspace)
    return (codec.codec.canonical_name, codec.pix_fmt, codec.width, codec.height, video.sample_aspect_ratio, *colours)


def _parameter_sets(video: VideoStream) -> bytes:
    """The stream's SPS and PPS as four-byte-length units (ISO 14496-15, AVCDecoderConfigurationRecord); empty where
    the stream is not H.264 or its units have lengths of another size.
    """
    record = bytes(video.codec_context.extradata or b"")
    if len(record) < _RECORD_HEAD or record[0] != 1 or record[4] & 3 != 3:
        return b""
    sets, at = b"", 5
    for mask in (0x1F, 0xFF):
        count, at = record[at] & mask, at + 1
        for _ in range(count):
            size = int.from_bytes(record[at : at + 2], "big")
            sets += size.to_bytes(_LENGTH_BYTES, "big") + record[at + 2 : at + 2 + size]
            at += 2 + size
    return sets


def _origin(file: InputContainer) -> Fraction:
    return Fraction(file.start_time or 0, av.time_base)


@contextmanager
def _opened(track: Track) -> Iterator[tuple[InputContainer, VideoStream]]:
    with av.open(f"file:{track.path}", format=track.container, options={"protocol_whitelist": "file,pipe"}) as file:
        yield file, next(stream for stream in file.streams.video if stream.index == track.stream)
