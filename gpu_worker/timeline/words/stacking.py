"""Captions that show at the same time and the same place stand above one another, and clear of titles. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gpu_worker.timeline.words.layout import Card
from shared.timeline.parts import Anchor


@dataclass(frozen=True)
class Showing:
    """A text's frames, and where it stands; None for one with a place of its own."""

    start: int
    end: int
    anchor: Anchor | None

    def shares(self, other: Showing) -> bool:
        """Whether both are on show in some frame."""
        return self.start < other.end and other.start < self.end

    def meets(self, other: Showing) -> bool:
        """Whether both are to stand at the same place in some frame."""
        return self.anchor == other.anchor is not None and self.shares(other)


def neighbours(texts: Sequence[Showing]) -> dict[int, list[int]]:
    """For every text that cannot have its place, the texts it stands beyond, the nearest to the frame's edge first.

    `texts` are in order of their starts. A place that has become free is taken again, so that captions which each
    overlap the next a little alternate between two places.
    """
    slots: list[int] = []
    beyond: dict[int, list[int]] = {}
    active: list[int] = []
    for n, text in enumerate(texts):
        active = [m for m in active if texts[m].end > text.start]
        met = {slots[m]: m for m in active if text.meets(texts[m])}
        slots.append(next(slot for slot in range(len(met) + 1) if slot not in met))
        lower = [met[slot] for slot in range(slots[n])]
        if lower:
            beyond[n] = lower
        active.append(n)
    return beyond


def stacked(card: Card, anchor: Anchor, lower: Sequence[Card], high: int) -> Card:
    """The card beyond the others, away from the frame's edge, but inside the frame of `high` pixels."""
    if anchor.startswith("top"):
        down = max(other.frame.bottom for other in lower) - card.frame.top
        return card.moved(max(0.0, min(down, high - card.frame.bottom)))
    up = card.frame.bottom - min(other.frame.top for other in lower)
    return card.moved(-max(0.0, min(up, card.frame.top)))


def clear(card: Card, anchor: Anchor, titles: Sequence[Card], high: int) -> Card:
    """The card beyond those titles that it would cover, in the frame of `high` pixels."""
    covered = [title for title in titles if card.touches(title)]
    return stacked(card, anchor, covered, high) if covered else card
