"""Tracks with absolute times, for programs that lay out a film themselves. Gaps are black and silent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from shared.timeline.captions import Caption, StyleChoice
from shared.timeline.clips import Clip, Overlay
from shared.timeline.parts import Seconds, TimelinePart
from shared.timeline.sound import Music, SoundEffect, Voiceover


class PlacedClip(Clip):
    """A clip that begins `at` seconds into the film. Where it begins before the one before it has ended, the two
    overlap by that one's `transition`.
    """

    at: Seconds


class VideoTrack(TimelinePart):
    """Full frames. The first video track lies lowest; later ones cover it where they have clips."""

    type: Literal["video"]
    items: Annotated[tuple[PlacedClip, ...], Field(max_length=500)]


class OverlayTrack(TimelinePart):
    """Pictures over the film."""

    type: Literal["overlay"]
    items: Annotated[tuple[Overlay, ...], Field(max_length=200)]


class CaptionTrack(TimelinePart):
    """Captions in one style."""

    type: Literal["caption"]
    style: StyleChoice | None = None
    items: Annotated[tuple[Caption, ...], Field(max_length=2000)]


class MusicTrack(TimelinePart):
    """Beds that step back for voices."""

    type: Literal["music"]
    items: Annotated[tuple[Music, ...], Field(max_length=50)]


class VoiceTrack(TimelinePart):
    """Speech."""

    type: Literal["voice"]
    items: Annotated[tuple[Voiceover, ...], Field(max_length=200)]


class EffectTrack(TimelinePart):
    """Sounds at moments."""

    type: Literal["sfx"]
    items: Annotated[tuple[SoundEffect, ...], Field(max_length=500)]


Track = Annotated[
    VideoTrack | OverlayTrack | CaptionTrack | MusicTrack | VoiceTrack | EffectTrack, Field(discriminator="type")
]
