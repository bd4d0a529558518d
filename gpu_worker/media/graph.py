"""Filter graphs as values, by ffmpeg-python, whose lack of types ends at this module.

Options are keywords, so their values are escaped once, as ffmpeg's own rules ask; None as a value makes a bare flag.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import ffmpeg
from ffmpeg.nodes import InputNode

from gpu_worker.media.probe import MediaInfo, input_options

Option = str | int | float | None


@dataclass(frozen=True)
class Stream:
    """What flows out of an input or a filter; it may flow into one place only (`split` makes more of it)."""

    spec: Any


@dataclass(frozen=True)
class Output:
    """A file that streams flow into."""

    spec: Any


class _Input(InputNode):  # type: ignore[misc] # the base has no types
    """An input that equals only itself: one file may be opened twice with the same options."""

    __hash__ = object.__hash__
    __eq__ = object.__eq__


def open_source(path: Path, media: MediaInfo, kind: Literal["video", "audio"], /, **options: Option) -> Stream:
    """The picture or the sound of a probed file, its demuxer and decoders forced; `options` are of the input."""
    stream = media.video_stream if kind == "video" else media.audio_stream
    if stream is None:
        msg = f"the file has no {kind}"
        raise ValueError(msg)
    return _opened(f"file:{path}", {**options, **input_options(media)}, str(stream))


def open_virtual(name: str, /, **options: Option) -> Stream:
    """What a source filter such as `color` or `anullsrc` makes; the values must be numbers and plain names."""
    values = ":".join(f"{key}={value}" for key, value in options.items())
    return _opened(f"{name}={values}" if values else name, {"format": "lavfi"}, "0")


def open_file(name: str, demuxer: str, stream: str = "0", /, **options: Option) -> Stream:
    """A stream of a file of our own, read by this demuxer."""
    return _opened(name, {"format": demuxer, "protocol_whitelist": "file,pipe", **options}, stream)


def apply(stream: Stream, name: str, /, *values: Option, **options: Option) -> Stream:
    """What the filter `name` makes of the stream; `values` without a keyword are numbers or plain names."""
    return join((stream,), name, *values, **options)


def join(streams: Sequence[Stream], name: str, /, *values: Option, **options: Option) -> Stream:
    """What a filter of several inputs makes of them."""
    return Stream(ffmpeg.filter([stream.spec for stream in streams], name, *values, **options))


def split(stream: Stream, name: Literal["split", "asplit"] = "split", count: int = 2) -> tuple[Stream, ...]:
    """The stream `count` times; every one must be used."""
    parts = ffmpeg.filter_multi_output([stream.spec], name)
    return tuple(Stream(parts.stream(n)) for n in range(count))


def output(streams: Sequence[Stream], target: str, /, **options: Option) -> Output:
    """The file `target` with these streams; `options` such as `format`, `**{"c:v": "libx264"}` are of the output."""
    return Output(ffmpeg.output(*(stream.spec for stream in streams), target, **options))


def arguments(*outputs: Output) -> list[str]:
    """ffmpeg's arguments that make the outputs in one process. Two outputs of one stream need a `split`."""
    specs = [one.spec for one in outputs]
    return [
        str(argument) for argument in ffmpeg.get_args(specs[0] if len(specs) == 1 else ffmpeg.merge_outputs(*specs))
    ]


def _opened(filename: str, options: dict[str, Option], stream: str) -> Stream:
    node = _Input("input", kwargs={"filename": filename, **options})
    return Stream(node.stream(selector=stream))
