"""Pictures taken from the finished film: a poster, thumbnails, and a sheet that players preview with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from gpu_worker.context import ProducedFile
from gpu_worker.media.ffmpeg import run_ffmpeg
from gpu_worker.timeline.film import Film
from gpu_worker.timeline.planner.grid import Grid

Open = Callable[[int], list[str]]
"""ffmpeg's arguments that open a film at one of its frames."""
_COLUMNS, _MOST_TILES, _TILE_SIDE = 10, 100, 160
_JPEG = ("-q:v", "3", "-f", "image2", "-update", "1")


@dataclass(frozen=True)
class Sheet:
    """Small pictures in rows of ten, one for every `interval` seconds; sizes in pixels."""

    tiles: int
    interval: float
    width: int
    height: int


def take(film: Film, picture: list[str], opened_at: Open, folder: Path) -> Iterator[ProducedFile]:
    """Whatever of these the output asks for. `picture` opens the finished film, `opened_at` what shows a frame of it
    first.
    """
    output = film.output
    if output.poster is not None:
        yield _still(film, opened_at, output.poster, folder, "poster.jpg")
    for n in range(output.thumbnails):
        at = (n + 0.5) * film.duration / output.thumbnails
        yield _still(film, opened_at, at, folder, f"thumbnail-{n + 1:02}.jpg")
    if output.sprite:
        yield from _sprite(film, picture, folder)


def sheet(film: Film) -> Sheet:
    """As many tiles as there are seconds, at most a hundred; each as high or as wide as suits a small preview."""
    tiles = min(_MOST_TILES, max(1, ceil(film.duration)))
    scale = _TILE_SIDE / max(film.width, film.height)
    width, height = (max(2, round(side * scale / 2) * 2) for side in (film.width, film.height))
    return Sheet(tiles, film.duration / tiles, width, height)


def sprite_vtt(film: Film, plan: Sheet, image: str) -> str:
    """WebVTT with a piece of the sheet for every stretch of the film (the form that players agree on: `#xywh=`)."""
    cues = []
    for n in range(plan.tiles):
        x, y = n % _COLUMNS * plan.width, n // _COLUMNS * plan.height
        start, end = (_clock(min(film.duration, k * plan.interval)) for k in (n, n + 1))
        cues.append(f"{start} --> {end}\n{image}#xywh={x},{y},{plan.width},{plan.height}\n")
    return "WEBVTT\n\n" + "\n".join(cues)


def _still(film: Film, opened_at: Open, at: float, folder: Path, name: str) -> ProducedFile:
    frame = min(Grid(film.fps).frame_at(at), film.frames - 1)
    run_ffmpeg([*opened_at(frame), "-frames:v", "1", *_JPEG, name], duration=1, folder=folder)
    return ProducedFile(folder / name, "image", "image/jpeg", width=film.width, height=film.height)


def _sprite(film: Film, picture: list[str], folder: Path) -> Iterator[ProducedFile]:
    plan = sheet(film)
    rows = ceil(plan.tiles / _COLUMNS)
    # Key frames alone: at most two seconds off, and a hundred times quicker in a long film.
    sharp = ["-skip_frame", "nokey"] if plan.interval >= 4 else []
    graph = (
        f"fps={1 / plan.interval:.9f}:round=up:start_time=0,scale={plan.width}:{plan.height}"
        f",tpad=stop=-1:stop_mode=clone,trim=end_frame={plan.tiles},tile={_COLUMNS}x{rows}"
    )
    arguments = [*sharp, *picture, "-vf", graph, "-frames:v", "1", *_JPEG, "sprite.jpg"]
    run_ffmpeg(arguments, duration=film.duration, folder=folder)
    (folder / "sprite.vtt").write_text(sprite_vtt(film, plan, "sprite.jpg"))
    size = {"width": _COLUMNS * plan.width, "height": rows * plan.height}
    yield ProducedFile(folder / "sprite.jpg", "image", "image/jpeg", **size)
    yield ProducedFile(folder / "sprite.vtt", "data", "text/vtt")


def _clock(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}.{rest % 1000:03}"
