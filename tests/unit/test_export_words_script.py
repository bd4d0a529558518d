from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_worker.timeline.film import Film, Shot
from gpu_worker.timeline.words import font_notes, missing_glyphs, place_fonts, script
from gpu_worker.timeline.words.layout import laid_out
from gpu_worker.timeline.words.markup import escaped
from gpu_worker.timeline.words.styles import caption_look
from shared.fonts import FAMILIES
from shared.timeline import Caption, CaptionStyle, Output, Point, Title, Word
from shared.timeline.captions import CaptionPreset

GOLDEN = Path(__file__).parent.parent / "golden"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)
SIZES = st.sampled_from([(64, 64), (64, 640), (640, 64), (1280, 720), (1080, 1920)])
INVISIBLE = "\u200e\u200f\u2060"


def film(*captions: Caption, size: tuple[int, int] = (1280, 720), fps: int = 30, **rest: Any) -> Film:
    return Film(*size, fps, (Shot(None, None, 0, 0, 10 * fps),), captions=captions, **rest)


def said(text: str, start: float = 0, end: float = 1, **style: Any) -> Caption:
    return Caption(text=text, start=start, end=end, style=CaptionStyle(**style) if style else None)


def events(written: str) -> list[list[str]]:
    return [line.removeprefix("Dialogue: ").split(",", 9) for line in written.splitlines() if "Dialogue" in line]


def letters_of(written: str) -> list[tuple[str, str, str]]:
    """Begin, end and text of the events with letters, without their shadows."""
    top = [(start, end, text) for layer, start, end, *_, text in events(written) if layer in ("3", "8")]
    return [(start, end, read_back(text)) for start, end, text in top]


def read_back(body: str) -> str:
    """What libass shows of an event: no override blocks, its escapes taken back."""
    shown = re.sub(r"(?<!\\)\{[^}]*\}", "", body.removeprefix(r"{\alpha&HFF&\fs0.1}a"))
    return re.sub(r"\\([{}])", r"\1", shown)


def bare(text: str) -> str:
    """Without what a line's end swallows, and what nobody sees."""
    return "".join(c for c in text if not c.isspace() and c not in INVISIBLE and unicodedata.category(c) != "Cc")


@settings(max_examples=60, deadline=None)
@given(TEXTS, SIZES)
def test_any_text_is_shown_as_it_is_and_inside_the_frame(text: str, size: tuple[int, int]) -> None:
    whole = film(said(text), size=size)
    assert bare("".join(line for _, _, line in letters_of(script(whole, 0, 30)))) == bare(text)
    card = laid_out(whole, caption_look(whole, whole.captions[0]), text)
    assert all(0 <= row.left <= row.right + 1e-6 <= size[0] + 1 and 0 < row.baseline < size[1] for row in card.rows)


@settings(deadline=None)
@given(st.text(max_size=100))
def test_no_text_becomes_markup(text: str) -> None:
    written = escaped(text)
    assert not re.search(r"(?<!\\)[{}]", written), "every brace has its backslash"
    assert not re.search(r"\\(?![{}N\u2060])", written), "a backslash is a brace's, a line's end, or inert"


def test_times_are_on_the_frame_grid_half_a_frame_early() -> None:
    whole = film(said("a", 0, 1), said("b", 1, 3661.5), fps=10)
    assert letters_of(script(whole, 0, 40_000)) == [
        ("0:00:00.00", "0:00:00.95", "\u200ea"), ("0:00:00.95", "1:01:01.45", "\u200eb"),
    ]  # fmt: skip


def test_a_chunk_has_its_own_stretch_of_the_words_at_the_films_times() -> None:
    whole = film(said("a", 0, 2), said("b", 3, 4), said("c", 8, 9), fps=10)
    times = [(start, end) for start, end, _ in letters_of(script(whole, 10, 35))]
    assert times == [("0:00:00.95", "0:00:01.95"), ("0:00:02.95", "0:00:03.45")]
    assert script(whole, 50, 60) == ""


def test_a_moving_caption_is_the_same_in_pieces_as_in_one() -> None:
    names: tuple[CaptionPreset, ...] = ("pop", "karaoke", "news", "typewriter", "neon")
    whole = film(*(Caption(text="one two three", start=0.2, end=2.1, style=name) for name in names))
    in_one, in_pieces = (
        [frame_events(script(whole, first, last), range(first, last)) for first, last in ranges]
        for ranges in ([(0, 90)], [(0, 7), (7, 31), (31, 90)])
    )
    assert in_one[0] == [frame for piece in in_pieces for frame in piece]


def frame_events(written: str, frames: range) -> list[set[str]]:
    """What shows in each frame of 30 a second."""
    spans = [(seconds(start), seconds(end), layer + text) for layer, start, end, *_, text in events(written)]
    return [{body for start, end, body in spans if start <= frame / 30 < end} for frame in frames]


def seconds(clock: str) -> float:
    hours, minutes, rest = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("The quick brown fox jumps over the lazy dog again", ["The quick brown fox jumps", "over the lazy dog again"]),
        ("中文字幕没有空格但是需要换行，所以必须正确断行", ["中文字幕没有空格但是需要", "换行，所以必须正确断行"]),
        ("彼は「はい」と言った。それから家に帰って、すぐに寝ました。", None),
        ("ภาษาไทยไม่มีช่องว่างระหว่างคำดังนั้นต้องตัดบรรทัดเองเสมอ", None),
        ("look at https://example.com/a/very/long/address/that/goes/on", None),
    ],
)
def test_lines_break_where_the_script_allows_it_and_are_even(text: str, lines: list[str] | None) -> None:
    whole = film(said(text), size=(640, 640))
    card = laid_out(whole, caption_look(whole, whole.captions[0]), text)
    found = ["".join(letter.text for letter in row.letters) for row in card.rows]
    assert 1 < len(found) <= 3
    assert "".join(found).replace(" ", "") == text.replace(" ", "")
    assert not any(line[0] in "、。，」" or line[-1] in "「" for line in found)
    assert lines is None or found == lines
    widths = [row.right - row.left for row in card.rows]
    assert min(widths) > 0.6 * max(widths)


def test_letters_get_smaller_rather_than_lines_more_but_stay_legible() -> None:
    long = "so many words that they need a line or two more than there are to be"
    sizes = []
    for most in (3, 1):
        whole = film(said(long, max_lines=most, size=0.1))
        card = laid_out(whole, caption_look(whole, whole.captions[0]), long)
        assert len(card.rows) <= most
        sizes.append(card.size)
    assert sizes[0] > 1.5 * sizes[1] >= 1.5 * 0.02 * 720
    endless = laid_out(whole, caption_look(whole, said("x", max_lines=1)), long * 7)
    assert len(endless.rows) > 1
    assert endless.size > 0.02 * 720


def test_captions_of_one_time_stand_above_one_another_and_take_free_places_again() -> None:
    whole = film(*(said(f"number {n}", n, n + 1.5) for n in range(4)), said("elsewhere", 0.5, 3, position="top"))
    heights = caption_heights(whole)
    assert heights["number1"] < heights["number0"] - 30
    assert heights["number2"] == heights["number0"]
    assert heights["number3"] == heights["number1"]
    assert heights["elsewhere"] < 100


def caption_heights(whole: Film) -> dict[str, float]:
    """Where each caption stands: pixels from the top."""
    return {
        bare(read_back(text)): float(text.partition("pos(")[2].partition(")")[0].split(",")[1])
        for layer, *_, text in events(script(whole, 0, 300))
        if layer == "8"
    }


def test_captions_stand_clear_of_titles_while_these_show() -> None:
    long = "a caption of an ordinary length, as people say it"
    texts = (said(f"1{long}", 0, 1), said("2 short", 1, 2), said(f"3{long}", 2.5, 4), said(f"4{long}", 3, 4))
    without = caption_heights(film(*texts))
    third = Title(text="Ada Lovelace", start=0.5, end=3.5, look="lower_third")
    beside = caption_heights(film(*texts, titles=(third,)))
    whole = {name: round(without[name] - height) for name, height in beside.items()}
    one, short, three, four = whole.values()
    assert one == three == four > 30, "all stand higher, and the fourth still above the third"
    assert short == 0, "it is not in the way"
    assert caption_heights(film(said(long, 3.5, 4), titles=(third,))) == caption_heights(film(said(long, 3.5, 4)))


def test_every_letter_is_drawn_by_a_font_that_has_it(tmp_path: Path) -> None:
    whole = film(said("Abc Ж שלום مرحبا ไทย हिन्दी 中文 かな 한국어 👍🏽 👩‍👧 1️⃣", font="Anton"))
    used = {name.rstrip("}") for name in re.findall(r"\\fn([^\\}]*)", script(whole, 0, 30))}
    assert used == {"Anton", "Noto Sans", "Noto Sans CJK JP", "Noto Emoji"} | {
        f"Noto Sans {one}" for one in ("Hebrew", "Arabic", "Thai", "Devanagari")
    }
    assert missing_glyphs(whole) == ""
    place_fonts(whole, tmp_path / "fonts")
    place_fonts(whole, tmp_path / "fonts")
    assert {path.stem.partition("-")[0] for path in (tmp_path / "fonts").iterdir()} == {
        "Anton", "NotoSans", "NotoSansCJKjp", "NotoEmoji", "NotoSansHebrew", "NotoSansArabic", "NotoSansThai",
        "NotoSansDevanagari",
    }  # fmt: skip


def test_what_no_font_has_is_named() -> None:
    whole = film(said("𓀀 and 𓀁𓀀\x00"), titles=(Title(text="\U00012000", end=1),))
    assert missing_glyphs(whole) == "\U00012000𓀀𓀁"
    assert font_notes(whole) == (
        "No font that comes with Rushes has \U00012000𓀀𓀁; the machine's own fonts draw them, if any does.",
    )
    assert font_notes(film(said("plain"))) == ()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("bold", [True, False])
def test_every_font_that_may_be_named_is_there(family: str, bold: bool) -> None:
    whole = film(said("Abc", font=family, bold=bold))
    face = caption_look(whole, whole.captions[0]).face
    assert face.path.exists()
    assert face.family.startswith(family)
    assert face.has("Abc")


def test_a_highlight_follows_the_words() -> None:
    words = (Word(text="hey", start=0, end=0.5), Word(text="you", start=0.5, end=1), Word(text="hey", start=1, end=2))
    style = CaptionStyle(highlight="word", highlight_color="#FF0000")
    caption = Caption(text="Hey, you! HEY!", start=0, end=2, words=words, style=style)
    lit = [re.findall(r"1c&H0000FF&[^}]*}([^{]*)", text) for layer, *_, text in events(script(film(caption), 0, 60))
           if layer == "8"]  # fmt: skip
    assert lit == [["\u200eHey,"], ["you!"], ["HEY!"]]


def test_words_without_times_share_the_captions_by_their_length() -> None:
    caption = Caption(text="a longer-word", start=1, end=2, style=CaptionStyle(highlight="word"))
    assert [(start, end) for start, end, _ in letters_of(script(film(caption), 0, 300))] == [
        ("0:00:00.98", "0:00:01.15"), ("0:00:01.15", "0:00:01.98"),
    ]  # fmt: skip


def test_only_burned_captions_and_all_titles_are_drawn() -> None:
    titles = (Title(text="Title", end=1),)
    shown = {
        choice: bare("".join(t for *_, t in letters_of(script(film(said("said"), titles=titles,
                                                                   output=Output(captions=choice)), 0, 30))))
        for choice in ("burned", "soft", "both", "none")
    }  # fmt: skip
    assert {choice: "said" in text for choice, text in shown.items()} == {
        "burned": True, "both": True, "soft": False, "none": False,
    }  # fmt: skip
    assert all("Title" in text for text in shown.values())


def test_an_upright_videos_controls_stay_clear_unless_a_margin_is_asked_for() -> None:
    def baseline(size: tuple[int, int], **style: Any) -> float:
        whole = film(said("a", **style), size=size)
        return size[1] - laid_out(whole, caption_look(whole, whole.captions[0]), "a").rows[0].baseline

    assert baseline((1280, 720)) < 0.12 * 720
    assert baseline((1080, 1920)) > 0.16 * 1920
    assert baseline((1080, 1920), margin=0.02) < 0.05 * 1920
    assert baseline((1280, 720), position=Point(x=0.5, y=1.0)) > 0


def test_the_script_is_this() -> None:
    captions = (
        Caption(text="Plain {words}", start=0, end=1),
        Caption(text="Fill me", start=1, end=1.2, style="karaoke"),
        Caption(text="שלום 👋", start=2, end=3, style="boxed"),
    )
    written = script(film(*captions, titles=(Title(text="Ada\nLovelace", end=1, look="lower_third"),), fps=10), 0, 30)
    golden = GOLDEN / "export_words_script.txt"
    assert written == golden.read_text(encoding="utf-8")
