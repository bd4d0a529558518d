"""docs/timeline.md: every example is a film, and every field is described."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from gpu_worker.media.probe import MediaInfo
from gpu_worker.timeline.film import Source
from gpu_worker.timeline.planner import plan
from shared.timeline import Timeline
from shared.timeline.captions import CaptionPreset
from shared.timeline.clips import EffectName, MotionName
from shared.timeline.look import StyleName
from shared.timeline.output import Format, VideoCodec
from shared.timeline.transitions import PlainName

TEXT = (Path(__file__).parents[2] / "docs" / "timeline.md").read_text("utf-8")
EXAMPLES = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
WHATEVER = Source(Path("/in/a"), MediaInfo("video", "mov", 40.0, 1280, 720, 30.0, video_stream=0, audio_stream=1))


def addresses(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (part for name, part in value.items() if name == "url")
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from addresses(part)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_a_film(example: str) -> None:
    written = json.loads(example)
    film = plan(Timeline.model_validate(written), dict.fromkeys(addresses(written), WHATEVER))
    assert film.duration > 3


def test_there_is_an_example_for_every_chapter() -> None:
    assert len(EXAMPLES) >= 8
    used = "".join(EXAMPLES)
    assert all(f'"{field}"' in used for field in Timeline.model_fields if field != "subtitle_file")


def test_every_field_is_described() -> None:
    schema = Timeline.model_json_schema()
    fields = {name for model in (schema, *schema["$defs"].values()) for name in model.get("properties", {})}
    assert [name for name in sorted(fields) if f"`{name}`" not in TEXT and f'"{name}"' not in TEXT] == []


@pytest.mark.parametrize("names", [CaptionPreset, EffectName, MotionName, StyleName, PlainName, Format, VideoCodec])
def test_every_name_is_listed(names: Any) -> None:
    assert [name for name in get_args(names) if f"`{name}`" not in TEXT] == []
