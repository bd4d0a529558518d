from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageFont

from gpu_worker.media.probe import MediaInfo
from gpu_worker.timeline.captions import ass_file, escaped
from gpu_worker.timeline.plan import Film, Piece, Source
from shared.fonts import BOLD
from shared.timeline import Caption

SOURCE = Source(Path("/in/a.mp4"), MediaInfo("video", "mov", 100.0, 160, 90, 30.0, video_stream=0))


def film(*captions: Caption, width: int = 1920, height: int = 1080, fps: int = 30) -> Film:
    return Film(width, height, fps, (Piece(SOURCE, 0, 10 * fps, 0, "contain", 1),), captions)


def said(text: str, start: float = 0, end: float = 1) -> Caption:
    return Caption(text=text, start=start, end=end)


def dialogues(script: str) -> list[str]:
    return [line for line in script.splitlines() if line.startswith("Dialogue:")]


def style(script: str) -> list[str]:
    return script.partition("\nStyle: ")[2].partition("\n")[0].split(",")


def times(script: str) -> list[tuple[str, str]]:
    return [(line.split(",")[1], line.split(",")[2]) for line in dialogues(script)]


@pytest.mark.parametrize(
    ("text", "script"),
    [
        (r"{\pos(0,0)}gone", "\\{\\\u2060pos(0,0)\\}gone"),
        (r"one\Ntwo", "one\\\u2060Ntwo"),
        ("one\ntwo\r\nthree\u2028four", r"one\Ntwo\Nthree\Nfour"),
        ("it's 100%: [a],b;c=d", "it's 100%: [a],b;c=d"),
        ("tab\there\x00", "tab here "),
        ("שלום 😀", "שלום 😀"),
    ],
)
def test_markup_is_shown_and_not_obeyed(text: str, script: str) -> None:
    assert escaped(text) == script


@given(st.text(min_size=1, max_size=200))
def test_any_text_is_one_event_without_markup(text: str) -> None:
    script = ass_file(film(said(text)), first=0, last=300)
    assert len(dialogues(script)) == 1
    assert len(script.splitlines()) == len(ass_file(film(said("x")), first=0, last=300).splitlines())
    words = dialogues(script)[0].split(",", 9)[9]
    assert not re.search(r"(?<!\\)[{}]", words), "every brace has its backslash"
    assert not re.search(r"\\(?![{}N\u2060])", words), "a backslash is a brace's, a line's end, or inert"


def test_times_are_on_the_frame_grid_half_a_frame_early() -> None:
    script = ass_file(film(said("a", 0, 1), said("b", 1, 3661.5), fps=10), first=0, last=40_000)
    assert times(script) == [("0:00:00.00", "0:00:00.95"), ("0:00:00.95", "1:01:01.45")]


def test_a_run_gets_its_own_stretch_of_the_captions() -> None:
    whole = film(said("a", 0, 2), said("b", 3, 4), said("c", 8, 9), fps=10)
    assert times(ass_file(whole, first=10, last=35)) == [("0:00:00.00", "0:00:00.95"), ("0:00:01.95", "0:00:02.45")]
    assert ass_file(whole, first=50, last=60) == ""


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1080, 1920), (320, 180), (64, 64)])
@pytest.mark.parametrize("text", ["W" * 500, "look at https://example.com/" + "a/" * 120 + " now"])
def test_a_word_wider_than_the_frame_is_broken(text: str, width: int, height: int) -> None:
    script = ass_file(film(said(text), width=width, height=height), first=0, last=300)
    size, side = int(style(script)[2]), int(style(script)[11])
    font = ImageFont.truetype(BOLD, 100)
    widest = max(font.getlength(word) for word in re.split(r"\\N| ", dialogues(script)[0].split(",", 9)[9]))
    assert widest * size / 1.362 / 100 <= width - 2 * side + 1
    assert re.sub(r"\\N", "", dialogues(script)[0].split(",", 9)[9]) == text


def test_type_grows_with_the_frame_and_keeps_clear_of_an_upright_videos_controls() -> None:
    frames = ((1280, 720), (1920, 1080), (1080, 1920))
    styles = [style(ass_file(film(said("a"), width=w, height=h), first=0, last=30)) for w, h in frames]
    assert [int(s[2]) for s in styles] == [50, 76, 76]
    assert [int(s[13]) for s in styles] == [50, 76, 307]
