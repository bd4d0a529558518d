"""Parts of a timeline by their location in it, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

if TYPE_CHECKING:
    from shared.timeline.model import Timeline

Location = tuple[str | int, ...]
"""The way to a field, such as `("clips", 2, "end")`."""

Part = TypeVar("Part")
_LISTS = ("clips", "captions", "titles", "overlays", "voiceover", "sfx")
_MOST_SHOWN = 20


@dataclass(frozen=True)
class Problem:
    """What is wrong at a location, in words without a full stop; `remedy` is what can be done instead of refusing."""

    location: Location
    sentence: str
    remedy: str | None = None


def spell(location: Location) -> str:
    """`clips[2].end`, as people write it."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")


def parts(timeline: Timeline, *kinds: type[Part]) -> Iterator[tuple[Location, Part]]:
    """Every part of these kinds with its location, those in tracks last."""
    for name in _LISTS:
        yield from _of_kinds((name,), getattr(timeline, name), kinds)
    if isinstance(timeline.music, kinds):
        yield ("music",), timeline.music
    for number, track in enumerate(timeline.tracks):
        yield from _of_kinds(("tracks", number, "items"), track.items, kinds)


def _of_kinds(
    location: Location, items: Iterable[object], kinds: tuple[type[Part], ...]
) -> Iterator[tuple[Location, Part]]:
    for number, item in enumerate(items):
        if isinstance(item, kinds):
            yield (*location, number), item


def refuse(model: str, problems: Iterable[Problem]) -> None:
    """pydantic's ValidationError, each problem at its own field, if there is any."""
    errors = [
        InitErrorDetails(
            type=PydanticCustomError("timeline", "{sentence}", {"sentence": f"{problem.sentence}."}),
            loc=problem.location,
            input=None,
        )
        for problem in problems
    ]
    if errors:
        raise ValidationError.from_exception_data(model, errors[:_MOST_SHOWN])
