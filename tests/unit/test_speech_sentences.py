"""Text cut into what is spoken in one go."""

from __future__ import annotations

import pytest

from gpu_worker.engines.speech.sentences import cleaned, sentences
from shared.errors import InvalidParams


def spoken(text: str, language: str = "en", longest: int = 200) -> list[str]:
    return [sentence.text for sentence in sentences(cleaned(text), language, longest)]


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", 'Dr. Smith paid $3.50, e.g. for tea! "Really?" she said. Yes.',
         ["Dr. Smith paid $3.50, e.g. for tea!", '"Really?" she said.', "Yes."]),
        ("en", "J. R. Tolkien wrote it. So did I. Fine... or not?",
         ["J. R. Tolkien wrote it.", "So did I.", "Fine... or not?"]),
        ("de", "Das ist z.B. gut. Am 3. Mai kam er. Es war 2024. Danach nichts.",
         ["Das ist z.B. gut.", "Am 3. Mai kam er.", "Es war 2024.", "Danach nichts."]),
        ("ja", "今日は晴れです。明日は？「はい。」と言った。",
         ["今日は晴れです。", "明日は？", "「はい。」と言った。"]),
        ("zh", "你好。今天怎么样？很好！", ["你好。", "今天怎么样？", "很好！"]),
        ("hi", "नमस्ते। आप कैसे हैं?", ["नमस्ते।", "आप कैसे हैं?"]),
        ("ar", "مرحبا. كيف حالك؟ جيد.", ["مرحبا.", "كيف حالك؟", "جيد."]),
        ("ru", "Он живёт на ул. Ленина. Да.", ["Он живёт на ул. Ленина.", "Да."]),
    ],
)  # fmt: skip
def test_sentences_end_where_a_reader_stops(language: str, text: str, expected: list[str]) -> None:
    assert spoken(text, language) == expected


def test_nothing_is_lost_and_nothing_too_long() -> None:
    text = "word, " * 100 + "x" * 500 + " and the end. " + "漢字" * 300
    pieces = spoken(text, longest=100)
    assert max(map(len, pieces)) <= 100
    assert "".join("".join(pieces).split()) == "".join(text.split())


def test_pauses_tell_clauses_sentences_and_paragraphs_apart() -> None:
    found = sentences("One. Two.\n\nThree, " + "and more, " * 6 + "four.", "en", 50)
    assert [sentence.pause for sentence in found] == ["sentence", "paragraph", "clause", "paragraph"]


def test_signs_without_a_sound_are_no_sentences() -> None:
    assert spoken("Hello. ... !!! — Bye.") == ["Hello.", "— Bye."]


@pytest.mark.parametrize("text", ["\x00\x01 \n", "...", "\u202e\u200b", "—!?", "\ud800"])
def test_a_text_without_anything_to_say_is_refused(text: str) -> None:
    with pytest.raises(InvalidParams, match="nothing in it to speak"):
        cleaned(text)


def test_what_cannot_be_spoken_is_taken_out() -> None:
    assert cleaned("a\x00b\u202ec\ud800d\r\ne") == "a b cd\ne"


@pytest.mark.parametrize("row", [".", '"', "(.", ". ", " ", "\n", "\n \n", "a", "。", "..)", "?!"])
def test_a_hundred_thousand_signs_are_cut_as_quickly_as_letters(row: str) -> None:
    pieces = spoken(row * (100_000 // len(row)) + " a", longest=400)
    assert all(len(piece) <= 400 for piece in pieces)
