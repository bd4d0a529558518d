"""How one clip gives way to the next: our names, and what ffmpeg's `xfade` calls them.

Every name that `xfade` has since FFmpeg 5.1 may be used as it is (https://ffmpeg.org/ffmpeg-filters.html#xfade).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from shared.timeline.parts import TimelinePart

XfadeName = Literal[
    "fade", "fadeblack", "fadewhite", "fadegrays", "dissolve", "distance", "pixelize", "hblur", "radial", "zoomin",
    "wipeleft", "wiperight", "wipeup", "wipedown", "wipetl", "wipetr", "wipebl", "wipebr",
    "slideleft", "slideright", "slideup", "slidedown", "smoothleft", "smoothright", "smoothup", "smoothdown",
    "circlecrop", "rectcrop", "circleopen", "circleclose", "vertopen", "vertclose", "horzopen", "horzclose",
    "diagtl", "diagtr", "diagbl", "diagbr", "hlslice", "hrslice", "vuslice", "vdslice", "squeezeh", "squeezev",
]  # fmt: skip
PlainName = Literal[
    "cut", "crossfade", "fade_black", "fade_white", "zoom",
    "wipe_left", "wipe_right", "wipe_up", "wipe_down", "slide_left", "slide_right", "slide_up", "slide_down",
]  # fmt: skip
_XFADE = {"crossfade": "fade", "zoom": "zoomin"}


class Transition(TimelinePart):
    """How a clip gives way to the next one. `duration` is the overlap in seconds; a `cut` has none."""

    type: PlainName | XfadeName = "crossfade"
    duration: Annotated[float, Field(gt=0, le=10)] = 0.5


def xfade_name(name: PlainName | XfadeName) -> str:
    """What `xfade` calls it; meaningless for `cut`."""
    return _XFADE.get(name) or name.replace("_", "")
