"""atheris on the timeline parser: any JSON is a timeline or is refused in words, fast, and what is taken reads back.

python -m tests.fuzz.timeline SECONDS SEED
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["shared.timeline"]):
    from shared.timeline import Timeline

from pydantic import ValidationError

from tests.fuzz.libfuzzer import fuzz

SEEDS = [
    b'{"clips":[{"url":"job:0199a0c0-0000-7000-8000-000000000000","start":0,"end":3}]}',
    b'{"clips":[{"url":"storage://uploads/a/a.mp4","end":3,"speed":2,"transition":{"type":"crossfade","duration":0.5}},'
    b'{"url":"https://a.example/b.mp4"}],"captions":[{"text":"Dusk.","start":0.5,"end":2.5}],"caption_style":"bold",'
    b'"output":{"resolution":"1080p","aspect_ratio":"9:16","fit":"blur"},"style":"noir","out_of_range":"clamp"}',
    b'{"tracks":[{"type":"video","items":[{"url":"https://a.example/b.mp4","at":1,"end":1e9}]},'
    b'{"type":"audio","items":[{"url":"https://a.example/b.mp3","at":0}]}],"music":{"url":"https://a.example/m.mp3"}}',
    b'{"clips":[{"url":"https://a.example/a.png","duration":2,"motion":"zoom_in","effects":[{"type":"blur"}]}],'
    b'"titles":[{"text":"x","start":0,"end":1}],"overlays":[{"url":"https://a.example/a.png","start":0,"end":1}],'
    b'"sfx":[{"url":"https://a.example/s.wav","at":0.5}],"voiceover":[{"url":"https://a.example/v.wav"}]}',
]


def check(data: bytes) -> None:
    """One document."""
    try:
        timeline = Timeline.model_validate_json(data)
    except ValidationError:
        return
    assert Timeline.model_validate_json(timeline.model_dump_json()) == timeline


if __name__ == "__main__":
    fuzz(check, int(sys.argv[1]), int(sys.argv[2]), SEEDS)
