from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pysubs2
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gpu_worker.timeline.film import Film, Shot
from gpu_worker.timeline.words import read_subtitles, subtitle_text
from shared.errors import MediaRefused
from shared.timeline import Caption, CaptionStyle, SubtitleFile, Timeline

SRT = (
    "1\r\n00:00:01,000 --> 00:00:02,500 X1:1 Y1:2\r\n<i>Hi</i> {\\an8}there, 3 < 4\r\nsecond line\r\n\r\n"
    "2\r\n00:00:00,500 --> 00:00:00,900\r\nfirst\r\n"
)
VTT = """WEBVTT - a title

NOTE nobody sees this

STYLE
::cue { color: red }

intro
00:01.000 --> 00:02.500 align:start
<v Bob>Hi</v> &amp; <c.red>you</c>: 3 &lt; <00:00:01.500>4

01:00:00.000 --> 01:00:01.000
late
"""
ASS = """[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour
Style: Default,Arial,20,&H00FFFFFF

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,{\\b1\\pos(1,2)}Hi,\\Nthere{\\k20}\\hyou
Dialogue: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,{\\p1}m 0 0 l 10 0 10 10{\\p0}
Comment: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,not said
"""


def read(folder: Path, body: str | bytes, **rest: Any) -> list[tuple[str, float, float]]:
    path = folder / "lines"
    path.write_bytes(body if isinstance(body, bytes) else body.encode())
    file = SubtitleFile(url="storage://uploads/lines.srt", **rest)
    return [(line.text, line.start, line.end) for line in read_subtitles(path, file)]


def timed(folder: Path, body: str, offset: float = 0) -> list[list[tuple[str, float, float]]]:
    (folder / "lines").write_text(body)
    file = SubtitleFile(url="storage://uploads/lines.srt", offset=offset)
    lines = read_subtitles(folder / "lines", file)
    return [[(word.text, word.start, word.end) for word in line.words] for line in lines]


@pytest.mark.timeout(30)
@pytest.mark.parametrize("mark", ["{", "<", "<a", "\n", "{\\k1", "< "])
def test_marks_that_never_close_cost_no_time_by_their_square(tmp_path: Path, mark: str) -> None:
    body = "a" + mark * (1_500_000 // len(mark)) + "b"
    for head in (SRT.partition("<i>")[0], "WEBVTT\n\n00:01.000 --> 00:02.500\n", ASS.rpartition("Hi,")[0]):
        assert [line[1:] for line in read(tmp_path, head + body) if line[0].startswith("a")] == [(1.0, 2.5)]


KARAOKE = r"{\k50\i1}Hel{\kf20}lo {\ko30}big{\K100} world{\k900} x"


def test_times_of_words_are_taken_from_karaoke_and_from_timestamps(tmp_path: Path) -> None:
    sung = ASS.partition("Dialogue")[0] + f"Dialogue: 0,0:00:01.00,0:00:03.00,Default,,0,0,0,,{KARAOKE}\n"
    words = [("Hello", 1.0, 1.7), ("big", 1.7, 2.0), ("world", 2.0, 3.0)]
    assert timed(tmp_path, sung) == [words], "a word may have many syllables; what is past the line's end has no time"
    assert timed(tmp_path, sung, offset=2) == [[(word, start + 2, end + 2) for word, start, end in words]]
    cue = "WEBVTT\n\n00:01.000 --> 00:03.000\n<00:00:01.000><c>Hello</c> <00:01.500><c.x>b&amp;g</c> world\n"
    assert timed(tmp_path, cue) == [[("Hello", 1.0, 1.5), ("b&g", 1.5, 3.0), ("world", 1.5, 3.0)]]
    assert read(tmp_path, cue) == [("Hello b&g world", 1.0, 3.0)], "two timestamps are not the times of a cue"
    assert timed(tmp_path, "WEBVTT\n\n00:01.000 --> 00:03.000\na <@" + "9" * 5000 + ">b\n") == [[]]
    assert timed(tmp_path, SRT) == [[], []]


def film(*captions: Caption) -> Film:
    return Film(160, 90, 10, (Shot(None, None, 0, 0, 40_000),), captions=captions)


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        (SRT, [("first", 0.5, 0.9), ("Hi there, 3 < 4\nsecond line", 1.0, 2.5)]),
        (VTT, [("Hi & you: 3 < 4", 1.0, 2.5), ("late", 3600.0, 3601.0)]),
        (ASS, [("Hi,\nthere you", 1.0, 2.5)]),
    ],
    ids=["srt", "vtt", "ass"],
)
def test_each_format_is_read_as_plain_words(tmp_path: Path, body: str, lines: list[tuple[str, float, float]]) -> None:
    assert read(tmp_path, body) == lines


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_each_encoding_is_understood(tmp_path: Path, encoding: str) -> None:
    body = "1\n00:00:01,000 --> 00:00:02,000\nNaïve “café”\n".encode(encoding)
    assert read(tmp_path, body) == [("Naïve “café”", 1.0, 2.0)]


def test_the_offset_moves_lines_and_cuts_what_lies_before_the_film(tmp_path: Path) -> None:
    assert [line[1:] for line in read(tmp_path, SRT, offset=-0.7)] == [(0.0, pytest.approx(0.2)), (0.3, 1.8)]
    assert [line[0] for line in read(tmp_path, SRT, offset=-1)] == ["Hi there, 3 < 4\nsecond line"]
    with pytest.raises(MediaRefused, match="no lines"):
        read(tmp_path, SRT, offset=-3)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("", "not an SRT"),
        ("just some words", "not an SRT"),
        ('{"info": {}, "events": []}', "not an SRT"),
        (b"\x00\x01\x02\xff" * 100, "not an SRT"),
        ("WEBVTT\n\nNOTE nothing\n", "no lines"),
        ("-->" * 1000, "no lines"),
        ("1\n00:00:01,000 --> 00:00:02,000\nx\n\n" * 2001, "2001 lines"),
        ("1\n00:00:01,000 --> 00:00:02,000\n" + "x" * 2_000_000, "larger than 2 MB"),
    ],
)
def test_what_is_no_subtitle_file_is_refused_in_words(tmp_path: Path, body: str | bytes, sentence: str) -> None:
    with pytest.raises(MediaRefused, match=sentence):
        read(tmp_path, body)


def test_an_endless_line_is_shortened(tmp_path: Path) -> None:
    text = read(tmp_path, "1\n00:00:01,000 --> 00:00:02,000\n" + "x" * 5000)[0][0]
    assert text == "x" * 499 + "…"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([SRT, VTT, ASS]), st.integers(0, 500), st.binary(max_size=40))
@example(ASS, 0, b"[Events]\nDialogue: 0,,,")
def test_a_damaged_file_is_read_or_refused(tmp_path: Path, body: str, place: int, damage: bytes) -> None:
    whole = body.encode()
    with contextlib.suppress(MediaRefused):
        assert read(tmp_path, whole[:place] + damage + whole[place + len(damage) :])


CAPTIONS = (
    Caption(text="<b>Tom</b> & {\\i1}Jerry\n\n --> both", start=3661.0625, end=3662.5),
    Caption(text="earlier", start=0.5, end=1),
    Caption(text=" \n ", start=2, end=3),
)


def test_srt_and_vtt_are_written_like_this() -> None:
    joiner = "\u2060"
    assert subtitle_text(film(*CAPTIONS), "srt") == (
        "1\n00:00:00,500 --> 00:00:01,000\nearlier\n\n"
        f"2\n01:01:01,062 --> 01:01:02,500\n<{joiner}b>Tom<{joiner}/b> & {{{joiner}\\i1}}Jerry\n--{joiner}> both\n"
    )
    assert subtitle_text(film(*CAPTIONS), "vtt") == (
        "WEBVTT\n\n1\n00:00:00.500 --> 00:00:01.000\nearlier\n\n"
        "2\n01:01:01.062 --> 01:01:02.500\n&lt;b&gt;Tom&lt;/b&gt; &amp; {\\i1}Jerry\n--&gt; both\n"
    )
    assert subtitle_text(film(), "vtt") == "WEBVTT\n\n"


# pysubs2 takes braces and backslashes of an SRT file for markup; players show them.
LETTERS = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="{}\\")


@settings(deadline=None)
@given(st.lists(st.text(LETTERS, min_size=1, max_size=60), min_size=1, max_size=5))
def test_what_is_written_is_read_again(texts: list[str]) -> None:
    captions = [Caption(text=text, start=n, end=n + 0.5) for n, text in enumerate(texts)]
    written = subtitle_text(film(*captions), "srt")
    wanted = [" ".join(text.split()) for text in texts if text.strip()]
    found = [" ".join(event.plaintext.replace("\u2060", "").split()) for event in pysubs2.SSAFile.from_string(
        written, format_="srt")] if wanted else []  # fmt: skip
    assert found == [text.replace("\u2060", "") for text in wanted]


@pytest.mark.parametrize(
    "where",
    [
        {"captions": [{"text": "a", "start": 0, "end": 1, "style": {"font": "Comic Sans"}}]},
        {"caption_style": {"font": "Comic Sans"}},
        {"titles": [{"text": "a", "end": 1, "style": {"font": "Comic Sans"}}]},
    ],
)
def test_an_unknown_font_is_refused_with_those_there_are(where: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refusal:
        Timeline.model_validate({"clips": [{"url": "storage://uploads/a", "end": 2}], **where})
    (error,) = refusal.value.errors()
    assert error["loc"][-1] == "font"
    assert "Anton, Courier Prime, Fredoka, Montserrat, Noto Sans" in error["msg"]


def test_a_font_is_known_however_it_is_spelled() -> None:
    assert CaptionStyle(font="noto SANS").font == "Noto Sans"
