"""The files that an output asks for: names, sizes and encoders; and whether they came out as planned."""

from __future__ import annotations

from dataclasses import dataclass

from gpu_worker.media.probe import MediaInfo
from gpu_worker.timeline.film import Film
from gpu_worker.timeline.runner.encode import CONTAINERS
from gpu_worker.timeline.runner.hardware import encoder_for
from gpu_worker.timeline.runner.picture import Target
from shared.errors import EngineFailed
from shared.timeline import Encoding, Rendition

_SILENT = ("gif",)


@dataclass(frozen=True)
class File:
    """One file to be made: its encoding, its name, its picture if it has one."""

    encoding: Encoding
    name: str
    picture: Target | None


def files_of(film: Film) -> list[File]:
    """The main file, then the others. A gif is drawn from the film's H.264 picture."""
    encodings = [film.output, *film.output.also]
    return [File(encoding, _name(encoding, n), _target(film, encoding)) for n, encoding in enumerate(encodings)]


def _name(encoding: Encoding, n: int) -> str:
    return f"film{f'-{n + 1}' if n else ''}.{CONTAINERS[encoding.format].suffix}"


def _target(film: Film, encoding: Encoding) -> Target | None:
    if encoding.format in ("mp3", "wav"):
        return None
    width, height = _size(film, encoding)
    codec = encoding.video_codec or "h264"
    picture = encoding if encoding.video_codec else Encoding(quality="high")
    encoder = encoder_for(codec, hardware=film.output.hardware == "auto")
    plain = Encoding(format=picture.format, codec=codec, quality=picture.quality, video_bitrate=picture.video_bitrate)
    name = f"{codec}-{width}x{height}-{plain.video_bitrate or plain.quality}"
    return Target(name, plain, codec, encoder, width, height)


def _size(film: Film, encoding: Encoding) -> tuple[int, int]:
    """A rendition is never larger than the film."""
    if not isinstance(encoding, Rendition) or encoding.resolution is None:
        return film.width, film.height
    scale = min(1.0, int(encoding.resolution.removesuffix("p")) / min(film.width, film.height))
    return 2 * round(film.width * scale / 2), 2 * round(film.height * scale / 2)


def check(film: Film, file: File, measured: MediaInfo) -> None:
    """EngineFailed unless the file measures as planned."""
    # Sound codecs work in blocks, and a gif counts hundredths of a second.
    slack = 0.5 / film.fps if file.encoding.format in ("mp4", "mov") else max(0.1, 1.5 / film.fps)
    is_as_planned = (
        abs(measured.duration - film.duration) < slack
        and (file.picture is None or (measured.width, measured.height) == (file.picture.width, file.picture.height))
        and (measured.has_audio or file.encoding.format in _SILENT)
    )
    if not is_as_planned:
        raise EngineFailed(f"{file.name} does not have the length, the size or the sound that was planned.")
