"""Contact sheets for the README: every transition, style, camera move and effect, each as it really renders.

    python tools/contact_sheet.py [folder]     (docs by default)

A sheet is a list of labelled pictures; another one is a function that returns such a list and a line in SHEETS.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

from PIL import Image, ImageDraw, ImageFont

from gpu_worker.media.ffmpeg import ffmpeg_path
from gpu_worker.media.graph import arguments, output
from gpu_worker.media.pictures import open_picture
from gpu_worker.media.probe import probe
from gpu_worker.timeline.film import Film, Shot, Source
from gpu_worker.timeline.pictures import chunk_stream, chunks
from shared.fonts import BOLD
from shared.timeline import Clip, Effect, Look
from shared.timeline.clips import EffectName, MotionName
from shared.timeline.look import StyleName
from shared.timeline.transitions import PlainName, XfadeName, xfade_name

PHOTOS = Path(__file__).parent.parent / "examples" / "photos"
WIDTH, HEIGHT, FPS, FRAMES = 320, 180, 25, 24
Cell = tuple[str, Image.Image]


def still(name: str) -> Source:
    """A photo of the examples as the job prepares it."""
    path = Path(tempfile.gettempdir()) / f"contact-{name}.png"
    open_picture(PHOTOS / f"{name}.jpg").save(path)
    return Source(path, probe(path))


def rendered(film: Film, *frames: int, words: str | None = None, folder: Path | None = None) -> list[Image.Image]:
    """These frames of a film that is one chunk."""
    (chunk,) = chunks(film)
    command = arguments(output([chunk_stream(film, chunk, words)], "-", f="rawvideo", pix_fmt="rgb24"))
    run = subprocess.run([str(ffmpeg_path()), "-v", "error", *command], stdout=subprocess.PIPE, cwd=folder, check=True)
    size = film.width * film.height * 3
    parts = (run.stdout[frame * size : (frame + 1) * size] for frame in frames)
    return [Image.frombytes("RGB", (film.width, film.height), part) for part in parts]


def film(*shots: Shot, look: Look | None = None) -> Film:
    """A small film of these shots."""
    return Film(WIDTH, HEIGHT, FPS, shots, look=look or Look())


def shot(source: Source, clip: Clip | None = None) -> Shot:
    """A second of a photo that fills the frame."""
    return Shot(source, clip or Clip(url="storage://uploads/photo"), 0.0, 0.0, FRAMES, fit="cover")


def transitions() -> list[Cell]:
    """Every transition, a third of its way."""
    before, after = shot(still("chelsea")), shot(still("rocket"))
    names = sorted({xfade_name(name): name for name in (*get_args(PlainName)[1:], *get_args(XfadeName))})
    cells = []
    for name in names:
        made = film(replace(before, overlap=FRAMES, transition=name), after)
        cells.append((name, rendered(made, FRAMES // 3)[0]))
    return cells


def styles() -> list[Cell]:
    """Every named style on two photos side by side."""
    left, right = (shot(still(name)) for name in ("astronaut", "coffee"))
    cells = []
    for name in get_args(StyleName):
        halves = [rendered(film(one, look=Look(style=name)), 0)[0] for one in (left, right)]
        both = Image.new("RGB", (2 * WIDTH, HEIGHT))
        both.paste(halves[0], (0, 0))
        both.paste(halves[1], (WIDTH, 0))
        cells.append((name, both))
    return cells


def motions() -> list[Cell]:
    """Every camera move: where it begins, its middle and where it ends."""
    photo = still("coffee")
    cells = []
    for name in get_args(MotionName):
        made = film(shot(photo, Clip(url="storage://uploads/photo", motion=name)))
        strip = Image.new("RGB", (3 * WIDTH, HEIGHT))
        for n, picture in enumerate(rendered(made, 0, FRAMES // 2, FRAMES - 1)):
            strip.paste(picture, (n * WIDTH, 0))
        cells.append((name, strip))
    return cells


def effects() -> list[Cell]:
    """Every effect at a good half; fades in the middle of theirs."""
    photo = still("chelsea")
    cells = [("none", rendered(film(shot(photo)), 0)[0])]
    for name in get_args(EffectName):
        amount = 1.0 if name in ("negative", "grayscale", "sepia") else 0.6
        clip = Clip(url="storage://uploads/photo", effects=(Effect(type=name, amount=amount),))
        frame = {"fade_in": 6, "fade_out": FRAMES - 6}.get(name, 0)
        cells.append((name, rendered(film(shot(photo, clip)), frame)[0]))
    return cells


SHEETS: dict[str, tuple[Callable[[], list[Cell]], int, int]] = {
    "transitions": (transitions, 8, 160),
    "styles": (styles, 3, 400),
    "motions": (motions, 2, 480),
    "effects": (effects, 5, 240),
}
"""Name of the sheet: its cells, how many stand in a row, and how wide each one is in pixels."""


def sheet(cells: list[Cell], columns: int, width: int) -> Image.Image:
    """The cells in rows, each with its name under it."""
    font = ImageFont.truetype(BOLD, 13)
    height = width * cells[0][1].height // cells[0][1].width
    rows = -(-len(cells) // columns)
    page = Image.new("RGB", (columns * (width + 8) + 8, rows * (height + 26) + 8), "#15171c")
    pen = ImageDraw.Draw(page)
    for n, (label, picture) in enumerate(cells):
        x, y = 8 + n % columns * (width + 8), 8 + n // columns * (height + 26)
        page.paste(picture.resize((width, height), Image.Resampling.LANCZOS), (x, y))
        pen.text((x + 2, y + height + 2), label, "#e8eaf0", font)
    return page


def main() -> None:
    """Write every sheet as `<folder>/<name>.jpg`."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    for name, (cells, columns, width) in SHEETS.items():
        page = sheet(cells(), columns, width)
        page.save(folder / f"{name}.jpg", quality=80, optimize=True, progressive=True)
        print(folder / f"{name}.jpg", page.size, (folder / f"{name}.jpg").stat().st_size // 1000, "kB")


if __name__ == "__main__":
    main()
