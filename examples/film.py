"""Plan a film: from measured parts to the body of `POST /timeline/stitch`, and to what a probe should then find.

All times are in seconds, and every clip is cut on a frame, so that the length of the film is known exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

FPS = 30
FADE = 0.6
LEAD, TAIL = 0.4, 0.5
TITLE_SECONDS = 2.5
Span = tuple[float, float]


@dataclass
class Part:
    """One clip of the film. `speech` is spoken over it from the moment its fade-in is over."""

    url: str
    seconds: float
    caption: str = ""
    speech: str = ""
    speech_seconds: float = 0.0


@dataclass
class Film:
    """The film so far; `end` is where the last part ends. A person's own clips are cut and keep their sound."""

    size: tuple[int, int]
    of_clips: bool = False
    end: float = 0.0
    clips: list[dict[str, Any]] = field(default_factory=list)
    captions: list[dict[str, Any]] = field(default_factory=list)
    voiceover: list[dict[str, Any]] = field(default_factory=list)
    narration: list[Span] = field(default_factory=list)

    def add(self, part: Part) -> None:
        """Append a part, faded into from the one before."""
        if self.clips:
            self.clips[-1]["transition"] = {"type": "crossfade", "duration": FADE}
            self.end -= FADE
        start, self.end = self.end, self.end + part.seconds
        self.clips.append({"url": part.url, **({"start": 0.0, "end": part.seconds} if self.of_clips else {})})
        shown = (start + FADE + LEAD, self.end - FADE - LEAD)
        if part.speech:
            shown = (start + FADE + LEAD, start + FADE + LEAD + part.speech_seconds)
            self.voiceover.append({"url": part.speech, "start": shown[0]})
            self.narration.append(shown)
        if part.caption:
            self.captions.append({"text": part.caption, "start": shown[0], "end": shown[1]})

    def timeline(self, music: str) -> dict[str, Any]:
        """The body of `POST /timeline/stitch`."""
        width, height = self.size
        return {
            "clips": self.clips,
            "captions": self.captions,
            "voiceover": self.voiceover,
            "music": {"url": music, "volume": 0.2, "duck": True, "fade_in": 1.0, "fade_out": 1.5},
            "output": {"width": width, "height": height, "fps": FPS, "fit": "blur" if self.of_clips else "cover"},
        }

    def plan(self) -> dict[str, Any]:
        """What an independent probe should find; see `verify.py`."""
        return {
            "width": self.size[0],
            "height": self.size[1],
            "fps": FPS,
            "seconds": self.end,
            "captions": [(line["start"], line["end"], line["text"]) for line in self.captions],
            "narration": self.narration,
            "gaps": self.gaps(),
        }

    def gaps(self) -> list[Span]:
        """Where the bed plays alone: under the title, and between the lines where pictures are silent."""
        if self.of_clips:
            return [(1.0, TITLE_SECONDS - FADE)]
        starts = [1.0, *(end + 0.2 for _, end in self.narration)]
        ends = [*(start - 0.1 for start, _ in self.narration), self.end - 2.0]
        return [(start, end) for start, end in zip(starts, ends, strict=True) if end - start > 0.4]


def scene_seconds(speech_seconds: float, last: bool) -> float:
    """How long a picture stands: its line, air around it, and both fades; the last one lingers."""
    return on_frame(FADE + LEAD + speech_seconds + TAIL + (1.5 if last else FADE))


def on_frame(seconds: float) -> float:
    """Round up to a whole number of frames."""
    return math.ceil(seconds * FPS - 1e-6) / FPS


def frame_size(resolution: str) -> tuple[int, int]:
    """Width and height of a 16:9 frame whose short side is named, such as `720p`; both even."""
    height = int(resolution.removesuffix("p"))
    return 2 * round(height * 16 / 9 / 2), height
