"""Captions and titles within the film, each caption with its style."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from shared.timeline import Caption, CaptionStyle, Timeline, Title
from shared.timeline.captions import CaptionPreset
from shared.timeline.locations import Problem, parts
from shared.timeline.outside import past
from shared.timeline.tracks import CaptionTrack

Text = TypeVar("Text", Caption, Title)


def captions(timeline: Timeline, subtitles: Iterable[Caption], seconds: float) -> tuple[Caption, ...]:
    """All captions of a film of `seconds`, by their beginnings; what lies past its end is cut."""
    styled = [*_styled(timeline), *(_dressed(caption, timeline.caption_style) for caption in subtitles)]
    return tuple(sorted(within(styled, seconds), key=lambda caption: caption.start))


def titles(timeline: Timeline, seconds: float) -> tuple[Title, ...]:
    """The titles of a film of `seconds`; what lies past its end is cut."""
    return tuple(within([title for _, title in parts(timeline, Title)], seconds))


def subtitle_problems(subtitles: Sequence[Caption], seconds: float) -> Iterator[Problem]:
    """Lines of a subtitle file that lie past the film's end."""
    for number, line in enumerate(subtitles):
        yield from past(("subtitle_file", number), line.start, line.end, seconds)


def within(texts: Iterable[Text], seconds: float) -> Iterator[Text]:
    """What of the texts shows before second `seconds`."""
    for text in texts:
        if text.start < seconds:
            yield text if text.end <= seconds else _cut(text, seconds)


def _cut(text: Text, seconds: float) -> Text:
    change: dict[str, object] = {"end": seconds}
    if isinstance(text, Caption):
        words = (word for word in text.words if word.start < seconds)
        change["words"] = tuple(word.model_copy(update={"end": min(word.end, seconds)}) for word in words)
    return text.model_copy(update=change)


def _styled(timeline: Timeline) -> Iterator[Caption]:
    for location, caption in parts(timeline, Caption):
        track = timeline.tracks[int(location[1])] if location[0] == "tracks" else None
        own = track.style if isinstance(track, CaptionTrack) else None
        yield _dressed(caption, own or timeline.caption_style)


def _dressed(caption: Caption, style: CaptionPreset | CaptionStyle) -> Caption:
    return caption if caption.style is not None else caption.model_copy(update={"style": style})
