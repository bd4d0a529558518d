"""The film's colours: a named style, a LUT of the owner's, and the usual sliders."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from shared.references import MediaReference
from shared.timeline.parts import Share, TimelinePart

StyleName = Literal[
    "none", "cinematic", "warm", "cool", "noir", "vivid", "luxury", "energetic", "minimal", "bold", "vintage", "dreamy",
    "pastel", "teal_orange",
]  # fmt: skip


class Look(TimelinePart):
    """Colours for the whole film. The sliders are neutral at their defaults; `lut_url` names a `.cube` file."""

    style: StyleName = "none"
    strength: Share = Field(default=1.0, description="Of the style.")
    lut_url: MediaReference | None = None
    lut_strength: Share = 1.0
    brightness: Annotated[float, Field(ge=-1, le=1)] = 0.0
    contrast: Annotated[float, Field(ge=0, le=2)] = 1.0
    saturation: Annotated[float, Field(ge=0, le=3)] = 1.0
