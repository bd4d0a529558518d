"""How long the result is when sound and film are not of one length. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gpu_worker.media.frames import Frame
from shared.job_types import SyncMode


@dataclass(frozen=True)
class Span:
    """Counted in frames of the film: the film, the sound, and what is made of both."""

    film: int
    sound: int
    mode: SyncMode

    @property
    def made(self) -> int:
        """As long as the sound, or as the mode says."""
        match self.mode:
            case "cut_off":
                return min(self.film, self.sound)
            case "silence":
                return self.film
            case _:
                return self.sound

    @property
    def spoken(self) -> int:
        """After so many frames there is no more sound, and the film stays as it is."""
        return min(self.made, self.sound)

    def source(self, n: int) -> int:
        """The film's frame that the n-th is made of."""
        return n % self.film if self.mode == "loop" else min(n, self.film - 1)

    @property
    def says(self) -> str:
        """What had to be done, for a person; empty when nothing had."""
        if self.film == self.sound:
            return ""
        if self.mode == "silence":
            return "the sound ended before the film" if self.sound < self.film else "the end of the sound is cut off"
        if self.film > self.sound:
            return "the end of the film is cut off: the sound is shorter"
        return {
            "loop": f"the film runs {-(-self.sound // self.film)} times: the sound is longer",
            "freeze": "the film's last frame stays: the sound is longer",
            "cut_off": "the end of the sound is cut off: the film is shorter",
        }[self.mode]


def wanted(mode: SyncMode, sound: int) -> int | None:
    """How many frames of the film are worth reading; None for all of them. One more than is used tells that it is
    longer.
    """
    return None if mode == "silence" else sound + 1


def in_order(span: Span, read: Callable[[], Iterator[Frame]]) -> Iterator[tuple[int, Frame]]:
    """The frames the result is made of, with the number each has in the film; `read` begins the film anew."""
    made = 0
    while made < span.made:
        last: tuple[int, Frame] | None = None
        for source, frame in enumerate(read()):
            if made == span.made or source == span.film:
                break
            # A copy is kept for `freeze`: whoever gets the frame paints in it.
            last = (source, frame.copy() if span.mode == "freeze" and source == span.film - 1 else frame)
            yield source, frame
            made += 1
        if last is None:
            return
        while span.mode != "loop" and made < span.made:
            yield last[0], last[1].copy()
            made += 1
