"""Subtitle files: what a person brings becomes captions, and a film's captions become SRT or WebVTT.

Read by pysubs2; styles and markup of the file are left aside, since the timeline has its own.
(Formats: SubRip has no standard and no escapes; WebVTT is W3C's, https://www.w3.org/TR/webvtt1/.)
"""

from __future__ import annotations

import html
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pysubs2

from gpu_worker.timeline.film import Film
from shared.errors import MediaRefused
from shared.timeline import Caption, SubtitleFile

_MOST_BYTES, _MOST_LINES, _MOST_LETTERS, _LAST_SECOND = 2_000_000, 2000, 500, 86_400.0
_ENCODINGS = ("utf-8-sig", "cp1252", "latin-1")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_REFUSAL = "This is not an SRT, WebVTT or ASS file we can read."
# Keeps players from reading the next letters as markup, or an arrow as times; nobody sees it.
_WORD_JOINER = "\u2060"
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
    try:
        with warnings.catch_warnings():
            # It warns of fields that we do not read.
            warnings.simplefilter("ignore")
            lines = pysubs2.SSAFile.from_string(text, format_=form)
    except (pysubs2.exceptions.Pysubs2Error, ValueError, OverflowError, LookupError) as problem:
        raise MediaRefused(_REFUSAL) from problem
    for line in lines:
        start, end = (
            min(max(round(time / 1000 + file.offset, 3), 0.0), _LAST_SECOND) for time in (line.start, line.end)
        )
        words = _words(line, form)
        if not line.is_comment and not line.is_drawing and words and start < end:
            yield Caption(text=words, start=start, end=end, style=file.style)


def _form(text: str) -> str:
    """pysubs2's name of the format."""
    if text.lstrip().startswith("WEBVTT"):
        return "vtt"
    if "[Events]" in text:
        return "ass"
    if "-->" in text:
        return "srt"
    raise MediaRefused(_REFUSAL)


def _words(line: pysubs2.SSAEvent, form: str) -> str:
    words: str = line.plaintext
    if form == "vtt":
        words = html.unescape(re.sub(r"<[^>]*>", "", words))
    words = words.strip()
    return words if len(words) <= _MOST_LETTERS else words[: _MOST_LETTERS - 1] + "…"
