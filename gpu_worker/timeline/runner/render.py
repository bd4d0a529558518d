"""A film from its plan to its files: picture and sound side by side, then the muxes, then what is taken from it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from gpu_worker.context import Checkpoints, ProducedFile, Report
from gpu_worker.media.ffmpeg import ffmpeg_version, run_ffmpeg
from gpu_worker.media.probe import probe
from gpu_worker.timeline.audio import Master, render_sound
from gpu_worker.timeline.film import Chunk, Film
from gpu_worker.timeline.pictures import FONT_FOLDER, chunks
from gpu_worker.timeline.runner import space
from gpu_worker.timeline.runner.encode import CONTAINERS, HARDWARE
from gpu_worker.timeline.runner.extras import Open, take
from gpu_worker.timeline.runner.files import File, check, files_of
from gpu_worker.timeline.runner.finish import (
    SUBTITLES,
    film_arguments,
    join_parts,
    make_gif,
    opened_at,
    seeking,
    sound_arguments,
)
from gpu_worker.timeline.runner.hardware import decoded_by_card
from gpu_worker.timeline.runner.keep import Keeper
from gpu_worker.timeline.runner.picture import Target, encode, in_order
from gpu_worker.timeline.runner.progress import Meter
from gpu_worker.timeline.runner.smart_cut import Copy, between, copies, with_copies
from gpu_worker.timeline.words import font_notes, place_fonts, subtitle_text
from shared.errors import EngineFailed

# Mixing more takes a while, and 60 MB: it is over then before the picture, which needs hundreds, begins.
_FEW_SOUNDS = 30
_CARD_FAILED = "The graphics card failed at this film, so it was made without it."
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rendered:
    """The files of a film, the main one first, and what made them."""

    files: list[ProducedFile]
    engine: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Made:
    """A film not yet in its files: ffmpeg's arguments that open each picture of it, the first of them also at a frame,
    and its sound.
    """

    pictures: dict[Target, list[str]]
    opened_at: Open
    sound: Master
    meter: Meter
    copied_frames: int = 0


def render(film: Film, folder: Path, report: Report, checkpoints: Checkpoints | None = None) -> Rendered:
    """Make every file of the film in `folder`, by the graphics card where it can, and without it should it fail.

    Raises EngineFailed when ffmpeg fails, the disk is too small or a film does not measure as planned.
    """
    files = files_of(film)
    space.check(film, [file.encoding for file in files], folder)
    place_fonts(film, folder / FONT_FOLDER)
    keeper = Keeper(folder, checkpoints or Checkpoints.none())
    try:
        return _rendered(film, files, folder, report, keeper)
    except EngineFailed:
        if not _uses_card(film, files):
            raise
    # A trial does not tell how many films at once, or how large ones, a card takes.
    _log.warning("the graphics card has failed; making the film without it")
    output = film.output.model_copy(update={"hardware": "off"})
    film = replace(film, output=output, notes=(*film.notes, _CARD_FAILED))
    return _rendered(film, files_of(film), folder, report, keeper)


def _rendered(film: Film, files: list[File], folder: Path, report: Report, keeper: Keeper) -> Rendered:
    made = _make(film, files, copies(film), folder, report, keeper) or _make(film, files, [], folder, report, keeper)
    if made is None:
        raise EngineFailed
    finished = [_finish(film, file, made, folder) for file in files]
    return Rendered([*finished, *_beside(film, made, folder)], _engine(film, made))


def _uses_card(film: Film, files: list[File]) -> bool:
    encoders = {file.picture.encoder for file in files if file.picture}
    return bool(decoded_by_card(film)) or not encoders.isdisjoint(HARDWARE.values())


def _make(
    film: Film, files: list[File], copied: list[Copy], folder: Path, report: Report, keeper: Keeper
) -> Made | None:
    """Picture and sound, mostly side by side, by processes of their own; None when what was copied fails its check."""
    targets = list(dict.fromkeys(file.picture for file in files if file.picture))
    whole = chunks(film) if targets else []
    todo = between(film, copied, whole) if copied else whole
    meter = Meter(report, _weights(todo, files, film))
    with ThreadPoolExecutor(2 if len(film.sounds) <= _FEW_SOUNDS else 1) as pool:
        sound = pool.submit(_sound, film, files, folder, meter)
        picture = pool.submit(encode, film, todo, targets, folder, meter, keeper)
        in_order([picture, sound], meter)
    if not copied:
        pictures = {target: join_parts(film, todo, target, folder) for target in targets}
        opened = partial(opened_at, film, todo, targets)
    elif joined := with_copies(film, copied, todo, targets[0], folder):
        pictures = {targets[0]: joined}
        opened = partial(seeking, film, joined)
    else:
        return None
    return Made(pictures, opened, sound.result(), meter, sum(copy.end - copy.first for copy in copied))


def _sound(film: Film, files: list[File], folder: Path, meter: Meter) -> Master:
    """The mix; and coded for each file that has a picture too, since a core is free as long as that takes."""
    master = render_sound(film, folder, meter.part("sound", "mixing", "mixing the sound"))
    for file in filter(_has_both, files):
        name = _sound_of(file)
        done = meter.part(name, "mixing", "coding the sound")
        arguments = sound_arguments(file.encoding, master.path, name)
        run_ffmpeg(arguments, duration=film.duration, on_progress=done, folder=folder)
    return master


def _has_both(file: File) -> bool:
    return file.picture is not None and file.encoding.format != "gif"


def _sound_of(file: File) -> str:
    return f"sound-{file.name}"


def _weights(todo: list[Chunk], files: list[File], film: Film) -> dict[str, float]:
    """In frames, by what the parts take in comparison."""
    return (
        {f"chunk{chunk.first}": float(chunk.frames) for chunk in todo}
        | {"sound": film.frames / 10}
        | {_sound_of(file): film.frames / 25 for file in files if _has_both(file)}
        | {file.name: film.frames / (3 if file.encoding.format == "gif" else 100) for file in files}
    )


def _finish(film: Film, file: File, made: Made, folder: Path) -> ProducedFile:
    done = made.meter.part(file.name, "muxing", f"writing {file.name}")
    picture = made.pictures[file.picture] if file.picture else None
    if picture and file.encoding.format == "gif":
        make_gif(film, picture, folder, file.name, done)
    else:
        if film.output.captions in ("soft", "both"):
            (folder / SUBTITLES).write_text(subtitle_text(film, "srt"), encoding="utf-8")
        sound = folder / _sound_of(file) if picture else made.sound.path
        arguments = film_arguments(film, file.encoding, picture, sound, file.name)
        run_ffmpeg(arguments, duration=film.duration, on_progress=done, folder=folder)
    measured = probe(folder / file.name)
    check(film, file, measured)
    return ProducedFile(
        folder / file.name,
        kind="video" if file.picture else "audio",
        content_type=CONTAINERS[file.encoding.format].content_type,
        width=measured.width,
        height=measured.height,
        duration_seconds=round(measured.duration, 3),
        fps=measured.fps,
    )


def _beside(film: Film, made: Made, folder: Path) -> Iterator[ProducedFile]:
    for picture in list(made.pictures.values())[:1]:
        yield from take(film, picture, made.opened_at, folder)
    for form in film.output.subtitles:
        path = folder / f"film.{form}"
        path.write_text(subtitle_text(film, form), encoding="utf-8")
        yield ProducedFile(path, "subtitles", "application/x-subrip" if form == "srt" else "text/vtt")


def _engine(film: Film, made: Made) -> dict[str, Any]:
    encoders = list(dict.fromkeys(target.encoder for target in made.pictures))
    decoders = decoded_by_card(film)
    card = decoders or any(encoder in HARDWARE.values() for encoder in encoders)
    engine: dict[str, Any] = {"name": "ffmpeg", "version": ffmpeg_version(), "device": "cuda" if card else "cpu"}
    engine["encoders"] = encoders
    if decoders:
        engine["decoded_by_card"] = sorted(decoders)
    if made.sound.loudness is not None:
        engine["loudness_lufs"] = round(made.sound.loudness, 1)
    if made.copied_frames:
        engine["copied_frames"] = made.copied_frames
    if notes := [*film.notes, *made.sound.notes, *font_notes(film)]:
        engine["notes"] = notes
    return engine
