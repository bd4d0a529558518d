"""What both directions agree on."""

from __future__ import annotations

import json
from typing import Any

import opentimelineio as otio

KEY = "rushes"
"""Where our own words stand in the metadata."""

PARTS = frozenset({"tracks", "clips", "captions", "titles", "overlays", "music", "voiceover", "sfx"})
"""Fields of a timeline that become items of tracks, or markers; the others are metadata."""

TIMING = frozenset({"url", "start", "end", "duration", "at", "speed", "reverse", "freeze", "transition"})
"""Fields of a clip that OpenTimelineIO has words for."""

SOUND_KINDS = ("music", "voice", "sfx")
OVERLAY = "overlay"


def own_words(item: Any) -> dict[str, Any]:  # noqa: ANN401 - the library has no types
    """What we wrote into the metadata of an item, if it is ours."""
    metadata = json.loads(otio.core.serialize_json_to_string(item.metadata))
    words = metadata.get(KEY) if isinstance(metadata, dict) else None
    return words if isinstance(words, dict) else {}
