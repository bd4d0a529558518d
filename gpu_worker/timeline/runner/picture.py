"""The picture of a film: its chunks encoded side by side, each by an ffmpeg of its own, once for all files."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpu_worker.media.ffmpeg import ffmpeg_version, run_ffmpeg
from gpu_worker.media.graph import Output, Stream, apply, arguments, output, split
from gpu_worker.timeline.film import Chunk, Film
from gpu_worker.timeline.pictures import NONE, Codecs, chunk_stream, cost
from gpu_worker.timeline.runner.encode import PART_MUXERS, Options, video_options
from gpu_worker.timeline.runner.hardware import decoded_by_card
from gpu_worker.timeline.runner.keep import Keeper, Recipe
from gpu_worker.timeline.runner.progress import Meter
from gpu_worker.timeline.words import script
from shared.timeline import Encoding
from shared.timeline.output import VideoCodec

_PIXELS_OF_1080P = 1920 * 1088
_THREADED_VERSION = 7
# A quick look may lose pictures made of later ones (of three or four, most encoders leave one), and the smoothing of
# block edges.
_QUICK = ("-skip_frame", "bidir", "-skip_loop_filter", "all")


@dataclass(frozen=True)
class Target:
    """One encoding of the film's picture. `name` begins the names of its files."""

    name: str
    encoding: Encoding
    codec: VideoCodec
    encoder: str
    width: int
    height: int


@dataclass(frozen=True)
class Crew:
    """How many ffmpegs run at once, and the threads of each one's encoder."""

    workers: int
    threads: int


def crew(film: Film, chunks: int, cores: int, version: str) -> Crew:
    """As many as keep the cores busy; more cores go to more ffmpegs first, as far as memory is sure to last.

    From 7.0 on ffmpeg decodes, filters and encodes in threads of their own: one alone has two cores' worth of work.
    """
    number = re.search(r"\d+", version)
    is_threaded = number is None or int(number[0]) >= _THREADED_VERSION
    # A preview is nearly all decoding, and its frames are small.
    each = 2 if is_threaded and not film.is_quick else 1
    most = 4 if film.width * film.height <= _PIXELS_OF_1080P else 2
    workers = max(1, min(cores // each, chunks, most))
    return Crew(workers, max(1, min(2, cores // workers), cores // (workers * each)))


def chunk_arguments(
    film: Film, chunk: Chunk, words: str | None, targets: list[Target], threads: int, card: Codecs = NONE
) -> list[str]:
    """Arguments that make one part of each target from a chunk, the codecs of `card` decoded by the card. Pure."""
    whole = chunk_stream(film, chunk, words, card)
    copies = split(whole, "split", len(targets)) if len(targets) > 1 else (whole,)
    made = arguments(
        *(_part(film, chunk, stream, target, threads) for stream, target in zip(copies, targets, strict=True))
    )
    # Frames at 1080p are too few in flight to share out: more threads cost memory, and save no time.
    return ["-filter_complex_threads", "1", *(_quickly(made) if film.is_quick else made)]


def part_name(target: Target, chunk: Chunk) -> str:
    """The file of a target's part."""
    return f"{target.name}-{chunk.first}.{PART_MUXERS[target.codec]}"


def encode(film: Film, chunks: list[Chunk], targets: list[Target], folder: Path, meter: Meter, keeper: Keeper) -> None:
    """Make every part of every target in `folder`; those that an earlier run has finished are taken over."""
    team = crew(film, len(chunks), os.cpu_count() or 1, ffmpeg_version())

    def make(chunk: Chunk) -> None:
        at = f"{chunk.first / film.fps:.0f} of {film.duration:.0f} s"
        _make(film, chunk, targets, folder, team.threads, meter.part(f"chunk{chunk.first}", "encoding", at), keeper)

    # The longest first, so that no core waits at the end for another's long one.
    todo = sorted(chunks, key=cost, reverse=True) if team.workers > 1 else chunks
    with ThreadPoolExecutor(team.workers) as pool:
        in_order([pool.submit(make, chunk) for chunk in todo], meter)


def in_order(futures: Sequence[Future[Any]], meter: Meter) -> None:
    """Wait for all; when one fails, stop the others and raise what it raised. Whoever interrupts stops all."""
    try:
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
    except BaseException:
        meter.stop()
        raise
    failed = next((future for future in done if future.exception()), None)
    if failed is not None:
        meter.stop()
        for future in futures:
            future.cancel()
        failed.result()


def _make(
    film: Film, chunk: Chunk, targets: list[Target], folder: Path, threads: int, done: Callable[[float], None],
    keeper: Keeper,
) -> None:  # fmt: skip
    captions = script(film, chunk.first, chunk.first + chunk.frames)
    words = f"words{chunk.first}.ass" if captions else None
    made = chunk_arguments(film, chunk, words, targets, threads, decoded_by_card(film))
    recipe = Recipe(made, captions, _files(film, made))
    names = [part_name(target, chunk) for target in targets]
    if keeper.has(names, recipe):
        done(1.0)
        return
    if words:
        (folder / words).write_text(captions, encoding="utf-8")
    run_ffmpeg(made, duration=chunk.frames / film.fps, on_progress=done, folder=folder)
    keeper.keep(names, recipe)


def _quickly(made: list[str]) -> list[str]:
    inputs = ((*_QUICK, word) if word == "-i" else (word,) for word in made)
    return [word for words in inputs for word in words]


def _part(film: Film, chunk: Chunk, stream: Stream, target: Target, threads: int) -> Output:
    if (target.width, target.height) != (film.width, film.height):
        stream = apply(stream, "scale", target.width, target.height, flags="bicubic")
    options = video_options(target.encoding, target.encoder, fps=film.fps, threads=threads)
    muxer = PART_MUXERS[target.codec]
    plain: Options = {"map_metadata": -1, "map_chapters": -1, "frames:v": chunk.frames, "r": film.fps, "f": muxer}
    return output((stream,), part_name(target, chunk), **options, **plain)


def _files(film: Film, made: Sequence[str]) -> list[Path]:
    """What these arguments read that was not made by them."""
    opened = {word.removeprefix("file:") for word in made if word.startswith("file:")}
    return [*(Path(name) for name in sorted(opened)), *([film.lut] if film.lut else [])]
