"""atheris on the subtitle readers: any bytes are captions or are refused in words, and no caption forges a cue.

python -m tests.fuzz.subtitles SECONDS SEED
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["pysubs2", "gpu_worker.timeline.words.subtitles"]):
    from gpu_worker.timeline.words import read_subtitles, subtitle_text

from gpu_worker.timeline.film import Film, Shot
from shared.errors import MediaRefused
from shared.timeline import SubtitleFile
from tests.fuzz.libfuzzer import fuzz

SEEDS = [
    b"1\r\n00:00:01,000 --> 00:00:02,500 X1:1\r\n<i>Hi</i> {\\an8}there\r\n\r\n2\r\n00:00:00,5 --> 00:00:01\r\nx\r\n",
    b"WEBVTT - a\n\nNOTE n\n\nSTYLE\n::cue { color: red }\n\nintro\n00:01.000 --> 00:02.500 align:start\n"
    b"<v Bob>Hi</v> &amp; <c.red>you</c> &lt; <00:00:01.500>4\n\n99:00:00.000 --> 100:00:01.000\nlate\n",
    b"[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize\nStyle: Default,Arial,20\n\n"
    b"[Events]\nFormat: Layer, Start, End, Style, Text\n"
    b"Dialogue: 0,0:00:01.00,0:00:02.50,Default,{\\b1\\k50}Hi,{\\kf100}\\Nyou\n"
    b"Dialogue: 0,0:00:03.00,0:00:04.00,Default,{\\p1}m 0 0 l 10 0{\\p0}\nComment: 0,0:00:01.00,0:00:02.00,D,no\n",
    "\ufeff1\n00:00:01,000 --> 00:00:02,000\nשלום 中文\n".encode("utf-16"),
]
FILE = SubtitleFile(url="storage://uploads/lines.srt", offset=0.5)
IN_MEMORY = os.memfd_create("lines")
WRITTEN = Path(f"/proc/self/fd/{IN_MEMORY}")


def check(data: bytes) -> None:
    """One file."""
    os.ftruncate(IN_MEMORY, 0)
    os.pwrite(IN_MEMORY, data, 0)
    try:
        captions = read_subtitles(WRITTEN, FILE)
    except MediaRefused:
        return
    assert captions
    assert all(caption.text.strip() and caption.start < caption.end for caption in captions)
    film = Film(160, 90, 10, (Shot(None, None, 0, 0, 1_000_000),), captions=captions)
    for form in ("srt", "vtt"):
        assert subtitle_text(film, form).count("-->") == len(captions)


if __name__ == "__main__":
    fuzz(check, int(sys.argv[1]), int(sys.argv[2]), SEEDS)
