"""Captions that show at the same time and the same place stand above one another. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gpu_worker.timeline.words.layout import Card
from shared.timeline.parts import Anchor


@dataclass(frozen=True)
class Showing:
    """A text's frames, and where it stands; None for one with a place of its own."""

    start: int
    end: int
    anchor: Anchor | None

    def meets(self, other: Showing) -> bool:
        """Whether both are to stand at the same place in some frame."""
        return self.anchor == other.anchor is not None and self.start < other.end and other.start < self.end


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


def placed(
    n: int, beyond: dict[int, list[int]], card_of: Callable[[int], Card], anchor: Anchor | None, high: int
) -> Card:
    """The card of text `n` in its place."""
    card = card_of(n)
    if anchor is None or n not in beyond:
        return card
    return stacked(card, anchor, [placed(m, beyond, card_of, anchor, high) for m in beyond[n]], high)
