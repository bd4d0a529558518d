"""Parts put together to files: the picture copied, the sound encoded, subtitles and marks added."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gpu_worker.media.ffmpeg import run_ffmpeg
from gpu_worker.timeline.film import Chunk, Film
from gpu_worker.timeline.runner.encode import CONTAINERS, PART_MUXERS, Options, audio_options
from gpu_worker.timeline.runner.picture import Target, part_name
from shared.timeline import Encoding, Metadata

SUBTITLES = "film.srt"
# IPTC's word for "made by a trained algorithm" (cv.iptc.org/newscodes/digitalsourcetype).
_MADE_BY_AI = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
_GIF_FPS = 25


def join_parts(film: Film, chunks: list[Chunk], target: Target, folder: Path) -> list[str]:
    """ffmpeg's arguments that open the parts as one picture. Lengths are exact: no part's own is believed."""
    lines = [f"file {part_name(target, chunk)}\nduration {chunk.frames / film.fps:.6f}\n" for chunk in chunks]
    name = f"{target.name}.ffconcat"
    (folder / name).write_text("ffconcat version 1.0\n" + "".join(lines))
    return ["-f", "concat", "-protocol_whitelist", "file,pipe", "-i", name]


def opened_at(film: Film, chunks: list[Chunk], targets: list[Target], frame: int) -> list[str]:
    """ffmpeg's arguments that open the part with a frame of the film, for the first target, at that frame.

    FFmpeg 9.0 cannot seek in what `join_parts` opens: it loses the first key frame and all that builds on it.
    """
    chunk = next(chunk for chunk in reversed(chunks) if chunk.first <= frame)
    demuxer = "matroska" if PART_MUXERS[targets[0].codec] == "webm" else "mov"
    opened = ["-f", demuxer, "-protocol_whitelist", "file,pipe", "-i", part_name(targets[0], chunk)]
    return seeking(film, opened, frame - chunk.first)


def seeking(film: Film, picture: list[str], frame: int) -> list[str]:
    """The same arguments, with this frame of it the first; half a frame early, since files round their times."""
    return ["-ss", f"{max(0.0, (frame - 0.5) / film.fps):.6f}", *picture]


def sound_arguments(encoding: Encoding, sound: Path, name: str) -> list[str]:
    """Arguments that code the mastered sound the way a film wants it, as a file `name` of the film's format. Pure."""
    coded = [*flags(audio_options(encoding)), "-f", CONTAINERS[encoding.format].muxer, name]
    return [*_opened_sound(sound), *coded]


def film_arguments(
    film: Film, encoding: Encoding, picture: list[str] | None, sound: Path | None, name: str
) -> list[str]:
    """Arguments of the mux of one file: beside a picture the sound is coded already, alone it is not. Pure."""
    container = CONTAINERS[encoding.format]
    inputs, maps = [picture] if picture else [], ["0:v:0"] if picture else []
    options: Options = {"c:v": "copy", "c:a": "copy"} if picture else audio_options(encoding)
    if sound is not None:
        maps.append(f"{len(inputs)}:a:0")
        inputs.append(_opened_sound(sound))
    if picture and container.subtitle_codec and _has_soft_captions(film):
        maps.append(f"{len(inputs)}:s:0")
        inputs.append(["-f", "srt", "-protocol_whitelist", "file,pipe", "-i", SUBTITLES])
        options |= {"c:s": container.subtitle_codec}
    return [
        *(argument for one in inputs for argument in one),
        *(argument for stream in maps for argument in ("-map", stream)),
        *("-map_metadata", "-1", "-map_chapters", "-1", *flags(options), *marks(film.metadata, encoding)),
        *("-f", container.muxer, name),
    ]


def flags(options: Options) -> list[str]:
    """Pairs as ffmpeg's arguments."""
    return [argument for name, value in options.items() for argument in (f"-{name}", str(value))]


def marks(metadata: Metadata, encoding: Encoding) -> list[str]:
    """What is written about the film into its file. MP4 keeps free keys only when told to."""
    said = {"title": metadata.title, "artist": metadata.author, "comment": metadata.comment}
    if metadata.ai_generated:
        said |= {"comment": metadata.comment or "Made with AI", "digital_source_type": _MADE_BY_AI}
    arguments = [a for key, value in said.items() if value for a in ("-metadata", f"{key}={value}")]
    if encoding.format in ("mp4", "mov"):
        arguments += ["-movflags", "+faststart+use_metadata_tags"]
    return arguments


def make_gif(film: Film, picture: list[str], folder: Path, name: str, done: Callable[[float], None]) -> None:
    """Two passes, since one would hold every frame in memory until the palette of all is known."""
    rate = f"fps={min(film.fps, _GIF_FPS)}"
    palette = [*picture, "-vf", f"{rate},palettegen=stats_mode=diff", "-frames:v", "1", "palette.png"]
    run_ffmpeg(palette, duration=film.duration, on_progress=lambda share: done(share / 2), folder=folder)
    colour = f"[0:v]{rate}[film];[film][1:v]paletteuse=dither=bayer:diff_mode=rectangle"
    draw = [*picture, "-i", "palette.png", "-filter_complex", colour, "-loop", "0", "-f", "gif", name]
    run_ffmpeg(draw, duration=film.duration, on_progress=lambda share: done(0.5 + share / 2), folder=folder)


def _opened_sound(sound: Path) -> list[str]:
    return ["-protocol_whitelist", "file,pipe", "-i", f"file:{sound.name}"]


def _has_soft_captions(film: Film) -> bool:
    return bool(film.captions) and film.output.captions in ("soft", "both")
