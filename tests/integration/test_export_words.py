"""Words as libass draws them on real frames."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gpu_worker.media.ffmpeg import ffmpeg_path
from gpu_worker.media.graph import arguments, output
from gpu_worker.media.probe import probe
from gpu_worker.timeline.film import Chunk, Film, Shot, Source
from gpu_worker.timeline.pictures import FONT_FOLDER, chunk_stream
from gpu_worker.timeline.pictures.spans import laid_out, pieces
from gpu_worker.timeline.words import place_fonts, script
from shared.timeline import Caption, CaptionStyle, Clip, Point, Title, Word
from shared.timeline.captions import CaptionPreset, TitlePreset

FPS, SIZE = 10, (320, 180)
PRESETS: tuple[CaptionPreset, ...] = get_args(CaptionPreset)
LOOKS: tuple[TitlePreset, ...] = get_args(TitlePreset)
Frames = NDArray[np.uint8]


def film(*captions: Caption, size: tuple[int, int] = SIZE, frames: int = 10, fps: int = FPS, **rest: Any) -> Film:
    """A black film."""
    return Film(*size, fps, (Shot(None, None, 0, 0, frames),), captions=captions, **rest)


def said(text: str, start: float = 0, end: float = 1, **style: Any) -> Caption:
    return Caption(text=text, start=start, end=end, style=CaptionStyle(**style))


def drawn(folder: Path, made: Film, first: int = 0, last: int | None = None) -> Frames:
    """The frames `first` to just before `last` as one ffmpeg makes them: frame, row, column, red green blue."""
    last = made.frames if last is None else last
    chunk = Chunk(first, tuple(pieces(made, laid_out(made.shots), first, last)))
    place_fonts(made, folder / FONT_FOLDER)
    (folder / "words.ass").write_text(written := script(made, first, last), encoding="utf-8")
    stream = chunk_stream(made, chunk, "words.ass" if written else None)
    command = arguments(output([stream], "-", f="rawvideo", pix_fmt="rgb24"))
    run = subprocess.run([str(ffmpeg_path()), "-v", "info", "-nostdin", *command], capture_output=True, cwd=folder)
    assert run.returncode == 0, run.stderr
    assert b"not found" not in run.stderr, "libass misses a letter"
    return np.frombuffer(run.stdout, np.uint8).reshape(last - first, made.height, made.width, 3)


def lit(frames: Frames) -> list[bool]:
    return [bool((frame > 60).any()) for frame in frames]


def inked(frame: Frames) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is not black."""
    rows, columns = (np.flatnonzero((frame > 60).any(axis=axis)) for axis in ((1, 2), (0, 2)))
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])


@pytest.mark.parametrize("fps", [10, 24, 60])
def test_a_caption_shows_in_its_frames_and_in_no_other(tmp_path: Path, fps: int) -> None:
    frames = drawn(tmp_path, film(said("Hello", 3 / fps, 7 / fps), frames=10, fps=fps))
    assert lit(frames) == [3 <= n < 7 for n in range(10)]


@pytest.mark.parametrize("name", PRESETS)
def test_each_preset_is_readable_on_black_and_on_white(tmp_path: Path, name: CaptionPreset) -> None:
    words, size = (Caption(text="Readable", start=0, end=1, style=name),), (640, 360)
    frame = drawn(tmp_path, film(*words, size=size))[8]
    assert (frame.max(axis=2) > 180).sum() > 60, "light letters"
    left, top, right, bottom = inked(frame)
    assert 180 < top < bottom < 350, "in the lower half"
    Image.new("RGB", size, "white").save(tmp_path / "paper.png")
    paper = Source(tmp_path / "paper.png", probe(tmp_path / "paper.png"))
    white = Shot(paper, Clip(url="storage://uploads/paper"), 0, 0, 10)
    frame = drawn(tmp_path, replace(film(*words, size=size), shots=(white,)))[8]
    assert frame[:180].min() > 240
    assert (frame[top : bottom + 1, left : right + 1].min(axis=2) < 130).sum() > 60, "dark around them"


def test_presets_and_looks_all_differ(tmp_path: Path) -> None:
    pictures = {name: drawn(tmp_path, film(Caption(text="Same words", start=0, end=1, style=name)))[7].tobytes()
                for name in PRESETS}  # fmt: skip
    pictures |= {look: drawn(tmp_path, film(titles=(Title(text="Same words", end=1, look=look),)))[7].tobytes()
                 for look in LOOKS}  # fmt: skip
    assert len(set(pictures.values())) == len(PRESETS) + len(LOOKS)


def test_what_moves_is_the_same_in_chunks_as_in_one(tmp_path: Path) -> None:
    names: tuple[CaptionPreset, ...] = ("pop", "karaoke", "typewriter", "neon", "news")
    moving = (Caption(text="one two three שלום", start=0.3 * n, end=0.3 * n + 1, style=name)
              for n, name in enumerate(names))  # fmt: skip
    made = film(*moving, frames=66, fps=30)
    whole = drawn(tmp_path, made)
    parts = [drawn(tmp_path, made, first, last) for first, last in ((0, 5), (5, 13), (13, 40), (40, 66))]
    assert np.array_equal(np.concatenate(parts), whole)
    assert len({frame.tobytes() for frame in whole}) > 30, "it does move"


@pytest.mark.parametrize("size", [(64, 64), (64, 360), (360, 64), (320, 180)])
@pytest.mark.parametrize(
    "text", ["W" * 500, "many words " * 45, "字" * 500, "ไ" + "ทย" * 240], ids=["W", "words", "han", "thai"]
)
def test_no_text_runs_off_the_frame(tmp_path: Path, size: tuple[int, int], text: str) -> None:
    left, top, right, bottom = inked(drawn(tmp_path, film(said(text), size=size, frames=1))[0])
    assert left > 0
    assert top > 0
    assert right < size[0] - 1
    assert bottom < size[1] - 1


@pytest.mark.parametrize(
    "text",
    [
        "Ж ß é",
        "שלום",
        "مرحبا",
        "ภาษาไทย",
        "हिन्दी",
        "中文",
        "かな",
        "한국어",
        "👍",
        "👩\u200d👧",
        "🇩🇪",
        "1\ufe0f\u20e3",
        "\\N {x}",
    ],
)
def test_every_script_is_drawn_by_the_fonts_that_ship(tmp_path: Path, text: str) -> None:
    """As wide as it was measured to be, so with the letters it was measured with, and none of them missing."""
    frame = drawn(tmp_path, film(said(text, size=0.2, outline=0.0, box_color="#FF0000"), frames=1))[0]
    red = (frame[..., 0] > 150) & (frame[..., 1] < 60)
    white = frame.min(axis=2) > 150
    box, ink = (np.flatnonzero(mask.any(axis=0)) for mask in (red, white))
    padding = 0.36 * 0.2 * SIZE[1]
    assert abs((ink[0] - box[0]) - (box[-1] - ink[-1])) < padding, "in the middle of its box"
    assert padding * 0.4 < ink[0] - box[0] < padding * 2


def test_a_fill_runs_with_the_voice_from_the_side_that_is_read_first(tmp_path: Path) -> None:
    for text, side in (("wwww wwww", 1), ("שששש שששש", -1)):
        one, two = text.split()
        words = (Word(text=one, start=0, end=0.5), Word(text=two, start=0.5, end=1))
        style = CaptionStyle(highlight="fill", highlight_color="#FF0000", size=0.15, outline=0.0)
        frames = drawn(tmp_path, film(Caption(text=text, start=0, end=1, words=words, style=style)))
        red = [((frame[..., 0] > 150) & (frame[..., 1] < 80)) for frame in frames]
        counts = [int(mask.sum()) for mask in red]
        assert counts == sorted(counts)
        assert counts[0] == 0 < counts[3] < counts[8]
        middle = np.flatnonzero(red[4].any(axis=0)).mean() - SIZE[0] / 2
        assert middle * side < 0, "the first half of the words"


def test_places_margins_and_opacity_are_as_asked_for(tmp_path: Path) -> None:
    left, top, _, bottom = inked(drawn(tmp_path, film(said("Here", position="top_left", margin=0.1), frames=1))[0])
    assert 18 <= left <= 22
    assert 18 <= top <= 26
    left, top, right, bottom = inked(drawn(tmp_path, film(said("xxx", position=Point(x=0.25, y=0.5)), frames=1))[0])
    assert abs((left + right) / 2 - 80) < 3
    assert abs((top + bottom) / 2 - 90) < 6
    half = drawn(tmp_path, film(titles=(Title(text="Half", end=1, opacity=0.5, style=CaptionStyle(animation="none")),)))
    assert 110 < half[5].max() < 150
