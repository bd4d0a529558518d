"""Contact sheet for the README: every caption preset and title look as it really renders.

python tools/caption_sheet.py [folder]     (docs by default)
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import get_args

from contact_sheet import Cell, film, rendered, sheet, shot, still

from gpu_worker.timeline.film import Film
from gpu_worker.timeline.pictures import FONT_FOLDER
from gpu_worker.timeline.words import place_fonts, script
from shared.timeline import Caption, Title
from shared.timeline.captions import CaptionPreset, TitlePreset

WIDTH, HEIGHT = 640, 360
PHOTOS = ("coffee", "rocket", "chelsea", "astronaut")
TITLES = {
    "title": "The quiet\nhour",
    "lower_third": "Ada Lovelace\nwrites the first program",
    "label": "Lisbon, 6 a.m.",
}
# A moment in which the third word is half said.
FRAME = 13


def with_words(bare: Film, name: str) -> Cell:
    """The frame of interest of a film with its words."""
    with tempfile.TemporaryDirectory() as folder:
        place_fonts(bare, Path(folder) / FONT_FOLDER)
        (Path(folder) / "words.ass").write_text(script(bare, 0, bare.frames), "utf-8")
        return name, rendered(bare, FRAME, words="words.ass", folder=Path(folder))[0]


def cells() -> list[Cell]:
    """One for each preset and look, the photos in turn."""
    made = []
    for n, name in enumerate((*get_args(CaptionPreset), *get_args(TitlePreset))):
        bare = replace(film(shot(still(PHOTOS[n % len(PHOTOS)]))), width=WIDTH, height=HEIGHT)
        if name in get_args(TitlePreset):
            bare = replace(bare, titles=(Title(text=TITLES[name], end=bare.duration, look=name),))
        else:
            words = "The best light comes in the last hour"
            bare = replace(bare, captions=(Caption(text=words, start=0, end=1.4, style=name),))
        made.append(with_words(bare, name))
    return made


def main() -> None:
    """Write the sheet as `<folder>/captions.jpg`."""
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "docs") / "captions.jpg"
    page = sheet(cells(), 3, 420)
    page.save(path, quality=82, optimize=True, progressive=True)
    print(path, page.size, path.stat().st_size // 1000, "kB")


if __name__ == "__main__":
    main()
