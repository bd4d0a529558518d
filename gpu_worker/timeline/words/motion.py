"""What of a text shows in one frame: how it comes and goes, and which word is being spoken. Pure.

Each frame's look is worked out here and not by libass over time, so that it is the same in whatever chunk it lies.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from gpu_worker.timeline.words.speech import Spoken
from gpu_worker.timeline.words.styles import Look

_COMING, _GOING = 0.24, 0.16
_LETTERS_A_SECOND = 22.0
_SMALL = 0.6
# How far a bounce goes beyond its end (Penner's "back" easing, about a tenth).
_BACK = 1.7
_STEPS_OF_A_WORD = 200


@dataclass(frozen=True)
class State:
    """`scale` about the text's middle, `drop` in ems below its place, `letters` shown of all, the spoken `word` and how
    much of it is `part`.
    """

    opacity: float = 1.0
    scale: float = 1.0
    drop: float = 0.0
    letters: int | None = None
    word: int = -1
    part: float = 0.0


@dataclass(frozen=True)
class Span:
    """Frames of the film that a text shows in, from `start` to just before `end`."""

    start: int
    end: int
    fps: int

    def share(self, frame: int, seconds: float) -> tuple[float, float]:
        """How far it has come in at `frame`, and how far it has not gone out yet; each from 0, never shown, to 1."""
        coming = max(1, min(round(_COMING * self.fps), (self.end - self.start) // 3))
        going = max(1, min(round(seconds * self.fps), (self.end - self.start) // 3))
        return min(1.0, (frame - self.start + 1) / coming), min(1.0, (self.end - frame) / going)


def state(look: Look, span: Span, frame: int, letters: int, words: Sequence[Spoken]) -> State:
    """What shows in a frame of a text of so many letters."""
    word, part = _spoken(look, words, frame / span.fps)
    come, gone = span.share(frame, _GOING)
    match look.animation:
        case "fade":
            return State(opacity=round(come * gone, 3), word=word, part=part)
        case "pop":
            return State(scale=round(_SMALL + (1 - _SMALL) * _bounced(come), 3), word=word, part=part)
        case "slide_up":
            slow = (1 - come) ** 2
            return State(opacity=round(come * gone, 3), drop=round(0.7 * slow, 3), word=word, part=part)
        case "typewriter":
            return State(letters=_typed(span, frame, letters), word=word, part=part)
        case _:
            return State(word=word, part=part)


def _bounced(share: float) -> float:
    rest = share - 1
    return 1 + rest * rest * ((_BACK + 1) * rest + _BACK)


def _typed(span: Span, frame: int, letters: int) -> int | None:
    """Letters shown; all of them after two thirds of the time at the latest."""
    frames = min(letters / _LETTERS_A_SECOND * span.fps, (span.end - span.start) * 2 / 3)
    shown = ceil(letters * (frame - span.start + 1) / max(frames, 1.0))
    return shown if shown < letters else None


def _spoken(look: Look, words: Sequence[Spoken], second: float) -> tuple[int, float]:
    """The last word that has begun, and how much of it has been said where the highlight fills it."""
    if look.highlight == "none" or not words:
        return -1, 0.0
    number = bisect([word.start for word in words], second + 1e-6) - 1
    if number < 0 or look.highlight != "fill":
        return number, 0.0
    word = words[number]
    share = (second - word.start) / (word.end - word.start)
    return number, min(1.0, round(share * _STEPS_OF_A_WORD) / _STEPS_OF_A_WORD)
