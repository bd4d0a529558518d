"""The timeline of an EXPORT job, version 1."""

from shared.timeline.captions import Caption, CaptionStyle, SubtitleFile, Title, Word
from shared.timeline.clips import Clip, Effect, Freeze, Motion, Overlay
from shared.timeline.look import Look
from shared.timeline.model import Timeline
from shared.timeline.output import Encoding, Metadata, Output, Rendition
from shared.timeline.parts import Area, AspectRatio, Point, Resolution, frame_size
from shared.timeline.sound import Music, SoundEffect, SoundMix, Voiceover
from shared.timeline.tracks import PlacedClip, Track
from shared.timeline.transitions import Transition, xfade_name

__all__ = [
    "Area", "AspectRatio", "Caption", "CaptionStyle", "Clip", "Effect", "Encoding", "Freeze", "Look", "Metadata",
    "Motion", "Music", "Output", "Overlay", "PlacedClip", "Point", "Rendition", "Resolution", "SoundEffect", "SoundMix",
    "SubtitleFile", "Timeline", "Title", "Track", "Transition", "Voiceover", "Word", "frame_size", "xfade_name",
]  # fmt: skip
