"""Subtitle files: what a person brings becomes captions, and a film's captions become SRT or WebVTT.

Read by pysubs2; styles and markup of the file are left aside, since the timeline has its own, but for the times of
words: karaoke in ASS, timestamps inside a cue in WebVTT.
(Formats: SubRip has no standard and no escapes; WebVTT is W3C's, https://www.w3.org/TR/webvtt1/.)
"""

from __future__ import annotations

import html
import re
import warnings
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Literal

import pysubs2

from gpu_worker.timeline.film import Film
from shared.errors import MediaRefused
from shared.timeline import Caption, SubtitleFile, Word

_MOST_BYTES, _MOST_LINES, _MOST_LETTERS, _LAST_SECOND = 2_000_000, 2000, 500, 86_400.0
_ENCODINGS = ("utf-8-sig", "cp1252", "latin-1")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_REFUSAL = "This is not an SRT, WebVTT or ASS file we can read."
# Keeps players from reading the next letters as markup, or an arrow as times; nobody sees it.
_WORD_JOINER = "\u2060"
_BLANK_LINES = re.compile(r"\n{3,}")
_VTT_TAG, _SRT_TAG = re.compile(r"<[^<>]*>"), re.compile(r"</?[a-zA-Z][^<>]*>")
# pysubs2 takes a WebVTT line with two timestamps for the times of a cue.
_TIMESTAMP = re.compile(r"<(?:(\d{1,3}):)?(\d\d):(\d\d)\.(\d{3})>")
_HIDDEN_TIMESTAMP = re.compile(r"<@(\d{1,10})>")
# ASS counts syllables in hundredths of a second.
_SYLLABLE = re.compile(r"\\[kK][fo]?(\d{1,7})")
_DRAWING = re.compile(r"\\p[1-9]")
_MOST_WORDS, _MOST_LETTERS_OF_ONE = 100, 100
_SRT_MARKUP = re.compile(r"<(?=[/a-zA-Z])|\{(?=\\)|--(?=>)")


def read_subtitles(path: Path, file: SubtitleFile) -> tuple[Caption, ...]:
    """The file's lines as captions, in order; MediaRefused when it is none or has too many.

    UTF-8, UTF-16 with its mark, or the Western 8-bit encodings. A line of more than 500 letters is shortened.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise MediaRefused(f"The subtitle file is larger than {_MOST_BYTES // 1_000_000} MB.")
    found = list(_captions(_text(path.read_bytes()), file))
    if not found:
        raise MediaRefused("The subtitle file has no lines.")
    if len(found) > _MOST_LINES:
        raise MediaRefused(f"The subtitle file has {len(found)} lines; a film takes up to {_MOST_LINES}.")
    return tuple(sorted(found, key=lambda caption: caption.start))


def subtitle_text(film: Film, form: Literal["srt", "vtt"]) -> str:
    """The film's captions as an SRT or a WebVTT file, in which every letter stands for itself."""
    captions = [caption for caption in film.captions if caption.text.strip()]
    captions.sort(key=lambda caption: caption.start)
    blocks = [f"{n}\n{_cue(film, caption, form)}\n" for n, caption in enumerate(captions, 1)]
    return ("WEBVTT\n\n" if form == "vtt" else "") + "\n".join(blocks)


def _cue(film: Film, caption: Caption, form: Literal["srt", "vtt"]) -> str:
    mark = "," if form == "srt" else "."
    start = round(caption.start * 1000)
    end = max(start + 1, round(min(caption.end, film.duration) * 1000))
    # An empty line would end the cue.
    words = "\n".join(line.strip() for line in caption.text.replace("\0", "").splitlines() if line.strip())
    if form == "vtt":
        words = html.escape(words, quote=False)
    else:
        words = _SRT_MARKUP.sub(lambda found: found[0] + _WORD_JOINER, words)
    return f"{_clock(start, mark)} --> {_clock(end, mark)}\n{words}"


def _clock(milliseconds: int, mark: str) -> str:
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{mark}{rest % 1000:03}"


def _text(body: bytes) -> str:
    encodings = ("utf-16",) if body.startswith(_UTF16_MARKS) else _ENCODINGS
    for encoding in encodings:
        try:
            return body.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
        except UnicodeDecodeError:
            continue
    raise MediaRefused(_REFUSAL)


def _captions(text: str, file: SubtitleFile) -> Iterator[Caption]:
    form = _form(text)
    if form == "vtt":
        text = _TIMESTAMP.sub(_hidden, text)
    try:
        with warnings.catch_warnings():
            # It warns of fields that we do not read.
            warnings.simplefilter("ignore")
            markup = {} if form == "ass" else {"keep_html_tags": True}
            lines = pysubs2.SSAFile.from_string(_BLANK_LINES.sub("\n\n", text), format_=form, **markup)
    except (pysubs2.exceptions.Pysubs2Error, ValueError, OverflowError, LookupError) as problem:
        raise MediaRefused(_REFUSAL) from problem
    for line in lines:
        start, end = (_seconds(time, file) for time in (line.start, line.end))
        pieces = _pieces(line, form)
        words = "".join(piece for piece, _, _ in pieces).strip()
        if not line.is_comment and not _is_drawing(line) and words and start < end:
            shown = words if len(words) <= _MOST_LETTERS else words[: _MOST_LETTERS - 1] + "…"
            timed = tuple(islice(_timed(pieces, start, end, file), _MOST_WORDS + 1)) if len(pieces) > 1 else ()
            yield Caption(
                text=shown, start=start, end=end, style=file.style, words=timed if len(timed) <= _MOST_WORDS else ()
            )


def _hidden(found: re.Match[str]) -> str:
    hours, minutes, seconds, thousandths = (int(part or 0) for part in found.groups())
    return f"<@{((hours * 60 + minutes) * 60 + seconds) * 1000 + thousandths}>"


def _seconds(milliseconds: float, file: SubtitleFile) -> float:
    return min(max(round(milliseconds / 1000 + file.offset, 3), 0.0), _LAST_SECOND)


def _pieces(line: pysubs2.SSAEvent, form: str) -> list[tuple[str, int, int]]:
    """The line's plain text with the milliseconds in which each piece is spoken; one piece where it does not say."""
    if form == "ass":
        return _syllables(line)
    text = "".join(text for _, text in _blocks(line.text))
    before, *rest = _HIDDEN_TIMESTAMP.split(text)
    times = pairwise([line.start, *(int(at) for at in rest[::2]), line.end])
    texts = [_words(text, form) for text in (before, *rest[1::2])]
    return [(text, *time) for text, time in zip(texts, times, strict=True)]


def _syllables(line: pysubs2.SSAEvent) -> list[tuple[str, int, int]]:
    pieces, start, end = [], line.start, line.start
    for overrides, text in _blocks(line.text):
        if sung := _SYLLABLE.search(overrides):
            start, end = end, end + 10 * int(sung[1])
        pieces.append((text, start, end))
    return pieces if end > line.start else [("".join(text for text, _, _ in pieces), line.start, line.end)]


def _is_drawing(line: pysubs2.SSAEvent) -> bool:
    return any(_DRAWING.search(overrides) for overrides, _ in _blocks(line.text))


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """Each block of overrides with the text behind it. By hand: an expression takes time by the square of open ones."""
    overrides, at = "", 0
    while (opened := text.find("{", at)) >= 0 and (closed := text.find("}", opened)) >= 0:
        yield overrides, _unescaped(text[at:opened])
        overrides, at = text[opened:closed], closed + 1
    yield overrides, _unescaped(text[at:])


def _unescaped(text: str) -> str:
    return text.replace(r"\h", " ").replace(r"\n", "\n").replace(r"\N", "\n")


def _timed(pieces: list[tuple[str, int, int]], start: float, end: float, file: SubtitleFile) -> Iterator[Word]:
    """Words, which pieces may be less or more than, from where their first letter's piece begins."""
    of = [n for n, (text, _, _) in enumerate(pieces) for _ in text]
    for found in re.finditer(r"\S+", "".join(text for text, _, _ in pieces)):
        first = max(start, _seconds(pieces[of[found.start()]][1], file))
        last = min(end, _seconds(pieces[of[found.end() - 1]][2], file))
        if first < last and len(found[0]) <= _MOST_LETTERS_OF_ONE:
            yield Word(text=found[0], start=first, end=last)


def _form(text: str) -> str:
    """pysubs2's name of the format."""
    if text.lstrip().startswith("WEBVTT"):
        return "vtt"
    if "[Events]" in text:
        return "ass"
    if "-->" in text:
        return "srt"
    raise MediaRefused(_REFUSAL)


def _words(text: str, form: str) -> str:
    return html.unescape(_VTT_TAG.sub("", text)) if form == "vtt" else _SRT_TAG.sub("", text)
