"""The sound of the whole film, and the mux: ffmpeg arguments that add it to the finished picture. Pure.

Sound has a process of its own: one graph that shares its inputs with the picture queues raw frames by the gigabyte.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from gpu_worker.media.probe import input_arguments
from gpu_worker.timeline.plan import Film, MusicBed, Piece, Source
from gpu_worker.timeline.runs import join

RATE = 48_000

_STEREO = "aformat=f=fltp:cl=stereo"
_SILENCE = f"anullsrc=r={RATE}:cl=stereo,{_STEREO}"
# Gaps in a file, a late start among them, become silence, so that sound stays with its picture.
_CLEAN = f"aresample={RATE}:async=1:first_pts=0"
# ffmpeg's own way to stereo makes one channel 3 dB quieter; players give it to both ears as it is.
_BOTH_EARS = "pan=stereo|c0=c0|c1=c0"
_DUCK = "sidechaincompress=threshold=0.03:ratio=4:attack=20:release=400"
# One decibel below full scale leaves room for what AAC adds.
_LIMIT = "alimiter=limit=0.89:level=0"


def film_arguments(film: Film, picture: list[str], target: str) -> list[str]:
    """Arguments that mix the film's sound and write it, with the picture that `picture` opens, to the file `target`."""
    inputs = [picture, *(_clip_input(film, p) for p in film.pieces if p.volume)]
    inputs += [input_arguments(v.source.path, v.source.media) for v in film.voices]
    if film.music:
        music = film.music.source
        inputs.append(["-stream_loop", "-1", *input_arguments(music.path, music.media)])
    return [
        *(argument for one in inputs for argument in one),
        *("-filter_complex", ";".join(_graph(film)), "-map", "0:v:0", "-map", "[film]"),
        *("-map_metadata", "-1", "-map_chapters", "-1", "-c:v", "copy"),
        *("-c:a", "aac", "-b:a", "192k", "-ar", str(RATE), "-ac", "2", "-movflags", "+faststart", "-f", "mp4", target),
    ]


def _clip_input(film: Film, piece: Piece) -> list[str]:
    seek = ["-ss", f"{piece.start:.6f}"] if piece.start > 0 else []
    return [*seek, "-t", f"{piece.frames / film.fps:.6f}", *input_arguments(piece.source.path, piece.source.media)]


def _graph(film: Film) -> list[str]:
    """The chains, taking inputs in the order they were opened: 0 is the picture, then clips, voices, music."""
    numbers = count(1)
    graph = [_clip(film, piece, n, numbers) for n, piece in enumerate(film.pieces)]
    joints, tracks = join(film.pieces, lambda left: _joint(film, left[-1]))
    graph += joints
    if film.voices:
        graph += _voices(film, numbers)
        tracks += "[voice]"
    if film.music:
        graph.append(_music(film, film.music, next(numbers)))
        tracks += "[music]"
    graph.append(f"{tracks}{_sum(1 + bool(film.voices) + bool(film.music))},{_LIMIT},{_whole(film)}[film]")
    return graph


def _clip(film: Film, piece: Piece, n: int, numbers: Iterator[int]) -> str:
    sound = _opened(piece.source, next(numbers), piece.volume) if piece.volume else _SILENCE
    return f"{sound},apad,atrim=end_sample={_samples(film, piece.frames)}[c{n}]"


def _joint(film: Film, left: Piece) -> str:
    return f"acrossfade=ns={_samples(film, left.overlap)}:c1=tri:c2=tri" if left.overlap else "concat=v=0:a=1"


def _voices(film: Film, numbers: Iterator[int]) -> list[str]:
    graph = [
        f"{_opened(voice.source, next(numbers), voice.volume)},adelay={round(voice.start * RATE)}S:all=1[v{n}]"
        for n, voice in enumerate(film.voices)
    ]
    parts = "".join(f"[v{n}]" for n in range(len(film.voices)))
    key = ",asplit[voice][key]" if _is_ducked(film) else "[voice]"
    return [*graph, f"{parts}{_sum(len(film.voices))},{_whole(film)}{key}"]


def _music(film: Film, bed: MusicBed, number: int) -> str:
    fade_in, fade_out = (min(fade, film.duration / 2) for fade in (bed.settings.fade_in, bed.settings.fade_out))
    fades = f"afade=t=in:d={fade_in:.6f},afade=t=out:st={film.duration - fade_out:.6f}:d={fade_out:.6f}"
    music = f"{_opened(bed.source, number, bed.settings.volume)},{_whole(film)},{fades}"
    return f"{music}[bed];[bed][key]{_DUCK}[music]" if _is_ducked(film) else f"{music}[music]"


def _is_ducked(film: Film) -> bool:
    return film.music is not None and film.music.settings.duck and bool(film.voices)


def _opened(source: Source, number: int, volume: float) -> str:
    wide = f"{_BOTH_EARS},{_STEREO}" if source.media.channels == 1 else _STEREO
    return f"[{number}:{source.media.audio_stream}]{_CLEAN},{wide},volume={volume:.3f}"


def _sum(inputs: int) -> str:
    return f"amix=inputs={inputs}:normalize=0"


def _whole(film: Film) -> str:
    return f"apad,atrim=end_sample={_samples(film, film.frames)}"


def _samples(film: Film, frames: int) -> int:
    return round(frames * RATE / film.fps)
