"""The film's colours: style and sliders as one table lookup in YUV, a LUT where there is one. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from gpu_worker.media.graph import Stream, apply, join, split
from gpu_worker.timeline.film import Film
from gpu_worker.timeline.pictures.cube import LUT_FILE
from gpu_worker.timeline.pictures.effects import glow, vignette
from gpu_worker.timeline.pictures.framing import Frame
from shared.timeline import Look
from shared.timeline.look import StyleName


@dataclass(frozen=True)
class Style:
    """A named grade. Luma (0 to 1) goes through `gamma`, then an S-curve of `contrast`, then into `black` … `white`;
    chroma is multiplied by `blue` (U) and `red` (V) and shifted by `tint` (U, V in 8-bit steps).
    """

    contrast: float = 0.0
    gamma: float = 1.0
    black: float = 0.0
    white: float = 1.0
    blue: float = 1.0
    red: float = 1.0
    tint: tuple[float, float] = (0.0, 0.0)
    vignette: float = 0.0
    glow: float = 0.0


STYLES: dict[StyleName, Style] = {
    "none": Style(),
    "cinematic": Style(
        contrast=0.7, gamma=1.08, black=0.02, white=0.96, blue=0.85, red=0.9, tint=(2, -2), vignette=0.35
    ),
    "warm": Style(contrast=0.15, blue=1.05, red=1.08, tint=(-9, 6)),
    "cool": Style(contrast=0.2, red=0.92, tint=(8, -6)),
    "noir": Style(contrast=1.1, gamma=1.15, blue=0.0, red=0.0, vignette=0.6),
    "vivid": Style(contrast=0.4, gamma=0.95, blue=1.45, red=1.45),
    "luxury": Style(contrast=0.6, gamma=1.2, black=0.01, white=0.97, blue=0.8, red=0.85, tint=(-8, 3), vignette=0.3),
    "energetic": Style(contrast=0.7, gamma=0.88, blue=1.3, red=1.4, tint=(-2, 2)),
    "minimal": Style(contrast=-0.15, gamma=0.85, black=0.06, blue=0.55, red=0.55),
    "bold": Style(contrast=1.3, blue=1.35, red=1.35),
    "vintage": Style(contrast=-0.1, black=0.1, white=0.92, blue=0.7, red=0.8, tint=(-7, 5), vignette=0.45),
    "dreamy": Style(contrast=-0.2, gamma=0.9, black=0.05, blue=0.9, red=1.0, tint=(1, 3), glow=0.7),
    "pastel": Style(contrast=-0.3, gamma=0.78, black=0.1, blue=0.7, red=0.7, tint=(2, 3)),
    "teal_orange": Style(contrast=0.5, blue=1.1, red=1.5, tint=(5, -8)),
}
"""What the names mean."""


def graded(stream: Stream, film: Film, frame: Frame) -> Stream:
    """The film's picture in its colours; untouched when nothing is asked for. The LUT is `LUT_FILE` in the folder."""
    look = film.look
    style = STYLES[look.style]
    stream = _looked_up(stream, look, style)
    if style.glow and look.strength:
        stream = glow(stream, style.glow * look.strength, frame)
    if film.lut is not None and look.lut_strength:
        stream = _through_lut(stream, look.lut_strength, frame)
    if style.vignette and look.strength:
        stream = vignette(stream, style.vignette * look.strength, frame)
    return stream


def _looked_up(stream: Stream, look: Look, style: Style) -> Stream:
    if _is_neutral(look):
        return stream
    gains = (1 + look.strength * (gain - 1) for gain in (style.blue, style.red))
    u, v = (
        f"clip(128+{look.saturation:.4f}*((val-128)*{gain:.4f}+{look.strength * tint:.3f}),16,240)"
        for gain, tint in zip(gains, style.tint, strict=True)
    )
    return apply(stream, "lutyuv", y=_luma(look, style), u=u, v=v)


def _luma(look: Look, style: Style) -> str:
    own = "clip((val-16)/219,0,1)"
    bent = f"pow({own},{style.gamma:.3f})"
    curved = f"({bent}+{style.contrast:.3f}*{bent}*(1-{bent})*(2*{bent}-1))"
    styled = f"({style.black:.3f}+{style.white - style.black:.3f}*{curved})"
    mixed = f"({own}+{look.strength:.4f}*({styled}-{own}))"
    slid = f"((({mixed})-0.5)*{look.contrast:.4f}+0.5+{look.brightness / 2:.4f})"
    return f"16+219*clip({slid},0,1)"


def _is_neutral(look: Look) -> bool:
    sliders = (look.brightness, look.contrast, look.saturation) == (0.0, 1.0, 1.0)
    return sliders and (look.style == "none" or look.strength == 0)


def _through_lut(stream: Stream, strength: float, frame: Frame) -> Stream:
    if strength >= 1:
        return _lut(stream, frame)
    plain, other = split(stream)
    mode = {f"c{n}_opacity": f"{strength:.4f}" for n in range(3)}
    # `normal` shows the first input by its opacity.
    return join((_lut(other, frame), plain), "blend", **mode)


def _lut(stream: Stream, frame: Frame) -> Stream:
    # Tables are written for full-range RGB, which costs two conversions.
    rgb, back = ("gbrap", "yuva420p") if frame.see_through else ("gbrp", "yuv420p")
    stream = apply(apply(stream, "scale", in_color_matrix="bt709"), "format", pix_fmts=rgb)
    stream = apply(stream, "lut3d", file=LUT_FILE, interp="tetrahedral")
    return apply(apply(stream, "scale", out_color_matrix="bt709", out_range="tv"), "format", pix_fmts=back)
