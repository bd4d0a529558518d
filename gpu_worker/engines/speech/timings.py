"""When what is said: `speech.json` for programs, `speech.vtt` (WebVTT, https://www.w3.org/TR/webvtt1/) for players."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from gpu_worker.engines.speech.joining import Timed

_LONGEST_CUE = 84
"""Letters that two lines hold."""


def write_timings(sentences: list[Timed], words: list[Timed] | None, folder: Path) -> tuple[Path, Path]:
    """The two files. `words` is null in the JSON where the engine times sentences alone."""
    data, cues = folder / "speech.json", folder / "speech.vtt"
    told = {
        "sentences": [asdict(sentence) for sentence in sentences],
        "words": None if words is None else [asdict(word) for word in words],
    }
    data.write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")
    blocks = [f"{_clock(cue.start)} --> {_clock(cue.end)}\n{_escaped(cue.text)}\n" for cue in _cues(sentences, words)]
    cues.write_text("WEBVTT\n\n" + "\n".join(blocks), encoding="utf-8")
    return data, cues


def _cues(sentences: list[Timed], words: list[Timed] | None) -> Iterator[Timed]:
    """A cue a sentence; one too long for a screen by its words, or by the letters where no word is timed."""
    for sentence in sentences:
        if len(sentence.text) <= _LONGEST_CUE:
            yield sentence
            continue
        own = [word for word in words or () if sentence.start <= word.start < sentence.end]
        yield from _rows(own or list(_guessed(sentence)))


def _rows(words: list[Timed]) -> Iterator[Timed]:
    row: list[Timed] = []
    for word in words:
        if row and sum(len(one.text) + 1 for one in row) + len(word.text) > _LONGEST_CUE:
            yield _row(row)
            row = []
        row.append(word)
    if row:
        yield _row(row)


def _row(words: list[Timed]) -> Timed:
    return Timed(" ".join(word.text for word in words), words[0].start, words[-1].end)


def _guessed(sentence: Timed) -> Iterator[Timed]:
    """Words, or pieces where a script has no spaces, with a share of the time by their letters."""
    words = [
        word[at : at + _LONGEST_CUE // 2]
        for word in sentence.text.split()
        for at in range(0, len(word), _LONGEST_CUE // 2)
    ]
    each = (sentence.end - sentence.start) / max(1, sum(map(len, words)))
    at = sentence.start
    for word in words:
        yield Timed(word, round(at, 3), round(at + each * len(word), 3))
        at += each * len(word)


def _clock(seconds: float) -> str:
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02}:{whole // 60_000 % 60:02}:{whole // 1000 % 60:02}.{whole % 1000:03}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
