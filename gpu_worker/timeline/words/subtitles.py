"""Subtitle files: what a person brings becomes captions, and a film's captions become SRT or WebVTT.

Read by pysubs2; styles and markup of the file are left aside, since the timeline has its own.
"""

from __future__ import annotations

import html
from pathlib import Path
from typing import Literal

import pysubs2

from gpu_worker.timeline.film import Film
from shared.errors import MediaRefused
from shared.timeline import Caption, SubtitleFile

_MOST_BYTES, _MOST_LINES, _MOST_LETTERS = 2_000_000, 2000, 500
_ENCODINGS = ("utf-8-sig", "utf-16", "cp1252", "latin-1")
_REFUSAL = "This is not an SRT, WebVTT or ASS file we can read."


def read_subtitles(path: Path, file: SubtitleFile) -> tuple[Caption, ...]:
    """The file's lines as captions, in order; MediaRefused when it is none or has too many."""
    if path.stat().st_size > _MOST_BYTES:
        raise MediaRefused("The subtitle file is larger than 2 MB.")
    lines = _parsed(_text(path.read_bytes()))
    found = [caption for line in lines if (caption := _caption(line, file)) is not None]
    if not found:
        raise MediaRefused("The subtitle file has no lines.")
    if len(found) > _MOST_LINES:
        raise MediaRefused(f"The subtitle file has {len(found)} lines; a film takes up to {_MOST_LINES}.")
    return tuple(sorted(found, key=lambda caption: caption.start))


def subtitle_text(film: Film, form: Literal["srt", "vtt"]) -> str:
    """The film's captions as an SRT or a WebVTT file."""
    captions = sorted(film.captions, key=lambda caption: caption.start)
    blocks = [f"{n}\n{_cue(film, caption, form)}\n" for n, caption in enumerate(captions, 1)]
    return ("WEBVTT\n\n" if form == "vtt" else "") + "\n".join(blocks)


def _cue(film: Film, caption: Caption, form: Literal["srt", "vtt"]) -> str:
    mark = "," if form == "srt" else "."
    start, end = (_clock(round(min(t, film.duration) * 1000), mark) for t in (caption.start, caption.end))
    # An empty line would end the cue, and an arrow begin the next one.
    words = "\n".join(line for line in caption.text.splitlines() if line.strip()).replace("-->", "→")
    return f"{start} --> {end}\n{html.escape(words, quote=False) if form == 'vtt' else words}"


def _clock(milliseconds: int, mark: str) -> str:
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{mark}{rest % 1000:03}"


def _text(body: bytes) -> str:
    for encoding in _ENCODINGS:
        if encoding == "utf-16" and body[:2] not in (b"\xff\xfe", b"\xfe\xff"):
            continue
        try:
            return body.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise MediaRefused(_REFUSAL)


def _parsed(text: str) -> pysubs2.SSAFile:
    try:
        return pysubs2.SSAFile.from_string(text)
    except (pysubs2.exceptions.Pysubs2Error, ValueError, OverflowError) as problem:
        raise MediaRefused(_REFUSAL) from problem


def _caption(line: pysubs2.SSAEvent, file: SubtitleFile) -> Caption | None:
    words = line.plaintext.strip()[:_MOST_LETTERS]
    start, end = line.start / 1000 + file.offset, line.end / 1000 + file.offset
    if line.is_comment or not words or end <= max(start, 0):
        return None
    return Caption(text=words, start=max(start, 0.0), end=end, style=file.style)
