"""A text cut into what an engine speaks in one go: sentences, and long ones at their clauses. Pure.

After the rules of Unicode's text segmentation (UAX 29, sentence boundaries) with what speech needs beside them:
abbreviations, initials and ordinal numbers do not end a sentence, the end of a paragraph does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from shared.errors import InvalidParams

Pause = Literal["clause", "sentence", "paragraph"]

_CLOSING = "\"'”’»›)]}」』】）》〉"
# Full stops of scripts that leave no space after them, or use them for nothing else.
_ALWAYS = "。！？｡．।॥؟۔։።၊။᠃…"
# After these, without a space, the sentence that quotes goes on.
_QUOTED = "」』"
# Possessive, and from the first sign of a row alone: rows of a hundred thousand signs cost no more than letters.
_END = re.compile(
    rf"[{_ALWAYS}]++[{re.escape(_CLOSING)}]*+\s*+|(?<![.!?])[.!?]++…*+[{re.escape(_CLOSING)}]*+\s++",
)
_CLAUSE = re.compile(r"[,;:–—，、；：،؛]\s*")
_SPACE = re.compile(r"\s+")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\uffff]")
_PARAGRAPH = re.compile(r"\n\s*\n")
# Languages that write "3." for "third".
_ORDINAL = ("cs", "da", "de", "et", "fi", "fo", "hr", "hu", "is", "lb", "lv", "nb", "no", "pl", "sk", "sl", "sr", "tr")
_ABBREVIATIONS = {
    "": "dr mr mrs ms prof st no vs etc vol fig al inc ltd co corp jr sr op cit ca approx",
    "en": "rev gen col sgt capt lt gov sen rep hon mt ave blvd e.g i.e a.m p.m dept est",
    "de": "z.b d.h u.a usw bzw nr str hr fr ca evtl ggf vgl s.o s.u o.ä u.s.w bspw inkl",
    "fr": "m mm mme mlle av bd p.ex c.-à-d env",
    "es": "sr sra srta ud uds p.ej pág núm av avda d dña",
    "it": "sig sig.ra sigg dott dott.ssa ing avv pag es ecc",
    "pt": "sr sra dra exa pág av p.ex",
    "nl": "dhr mevr bijv d.w.z o.a enz nr blz",
    "pl": "np tzn itd itp ul nr m.in tj",
    "ru": "т.е т.д т.п г ул им стр руб др проф",
}


@dataclass(frozen=True)
class Sentence:
    """What is spoken in one go, and how much of a pause is to follow."""

    text: str
    pause: Pause


def cleaned(text: str) -> str:
    """The text without what cannot be spoken: controls, unseen marks of direction, halves of letters.

    Raises InvalidParams where nothing is left that has a sound.
    """
    text = _CONTROL.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n")).encode("utf-8", "ignore").decode()
    if not any(letter.isalnum() for letter in text):
        raise InvalidParams("text: there is nothing in it to speak.")
    return text


def sentences(text: str, language: str, longest: int) -> list[Sentence]:
    """The text's sentences in order, each of at most `longest` characters and with something to say in it."""
    found = []
    for paragraph in _PARAGRAPH.split(text):
        pieces = [piece for piece in _pieces(paragraph, language, longest) if any(map(str.isalnum, piece.text))]
        found += [*pieces[:-1], *(Sentence(last.text, "paragraph") for last in pieces[-1:])]
    return found


def _pieces(paragraph: str, language: str, longest: int) -> Iterator[Sentence]:
    start = 0
    for end in (*_ends(paragraph, language.partition("-")[0].lower()), len(paragraph)):
        text = " ".join(paragraph[start:end].split())
        start = end
        *first, last = _short(text, longest)
        yield from (Sentence(piece, "clause") for piece in first)
        yield Sentence(last, "sentence")


def _ends(text: str, language: str) -> Iterator[int]:
    known = {*_ABBREVIATIONS[""].split(), *_ABBREVIATIONS.get(language, "").split()}
    for end in _END.finditer(text):
        if end[0][-1] in _QUOTED and text[end.end() : end.end() + 1].isalnum():
            continue
        if end[0][0] in _ALWAYS or not _goes_on(text, end, language, known):
            yield end.end()


def _goes_on(text: str, end: re.Match[str], language: str, known: set[str]) -> bool:
    """Whether the sentence does not stop there."""
    following = text[end.end() : end.end() + 1]
    if following.islower():
        return True
    if end[0].rstrip() != ".":
        return False
    # Words are short: what stands further back cannot matter.
    word = re.split(r"[\s(\[“\"«]", text[max(0, end.start() - 20) : end.start()])[-1].lower()
    is_initial = len(word) == 1 and word.isalpha() and word.isascii() and word != "i"
    return word in known or is_initial or (word.isdigit() and len(word) <= 2 and language in _ORDINAL)


def _short(text: str, longest: int) -> list[str]:
    """The sentence in pieces: cut after a sign between clauses, else at a space, else where it must be."""
    pieces = []
    while len(text) > longest:
        at = _cut(text[:longest], longest)
        pieces.append(text[:at].strip())
        text = text[at:].strip()
    return [*pieces, text]


def _cut(head: str, longest: int) -> int:
    for sign in (_CLAUSE, _SPACE):
        ends = [found.end() for found in sign.finditer(head) if found.end() > longest // 4]
        if ends:
            return ends[-1]
    return longest
