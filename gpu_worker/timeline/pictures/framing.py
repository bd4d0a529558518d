"""From the picture of a source to a whole frame: crop, turn, colours, fit. Pure.

Whatever is cut off is cut first, so nothing is scaled in vain; all turns come after scaling, on fewer pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

from gpu_worker.media.graph import Option, Stream, apply, join, open_virtual, split
from gpu_worker.media.probe import MediaInfo
from gpu_worker.timeline.film import Shot
from shared.timeline import Clip
from shared.timeline.parts import Anchor, Area, Place

WHOLE = Area()
# ITU-R BT.2408: diffuse white in nits. Up to half of it light stays as it is; what is brighter, up to 1000 nits (the
# level that films are mastered for), is pressed together above that.
_HDR_WHITE_NITS, _HDR_PEAK_NITS, _HDR_KNEE = 203, 1000, 0.5
# The blurred fill is made at an eighth of the size: four times cheaper, and nobody sees the difference.
_FILL_SHRINK, _FILL_SIGMA = 8, 6
_ANCHORS: dict[Anchor, tuple[float, float]] = {
    "top_left": (0, 0), "top": (0.5, 0), "top_right": (1, 0),
    "left": (0, 0.5), "center": (0.5, 0.5), "right": (1, 0.5),
    "bottom_left": (0, 1), "bottom": (0.5, 1), "bottom_right": (1, 1),
}  # fmt: skip


@dataclass(frozen=True)
class Frame:
    """A frame to fill, in pixels; `fps` for what has to be made to fill it. `see_through` keeps its alpha.

    `scaler` is the film's.
    """

    width: int
    height: int
    fps: int
    see_through: bool = False
    scaler: str | None = None

    @property
    def pixel_format(self) -> str:
        """What ffmpeg calls the frame's pixels."""
        return "yuva420p" if self.see_through else "yuv420p"


def framed(stream: Stream, shot: Shot, media: MediaInfo, frame: Frame) -> Stream:
    """The source's picture as a whole frame: yuv420p, or yuva420p where the frame is see-through."""
    clip = shot.clip or Clip(url="storage://none")
    width, height = shown_size(media, clip.crop, clip.rotate)
    if shot.fit == "cover":
        visible = _covering(width / height, frame, clip.position)
        return _on_background(
            scaled(stream, media, clip, visible, (frame.width, frame.height), frame), clip, media, frame
        )
    inner = fitted_size(width, height, frame.width, frame.height)
    stream = scaled(stream, media, clip, WHOLE, inner, frame)
    if inner == (frame.width, frame.height):
        return _on_background(stream, clip, media, frame)
    if shot.fit == "blur":
        return _over_itself(stream, inner, clip.position, frame)
    return _on_background(stream, clip, media, frame, inner)


def shown_size(media: MediaInfo, crop: Area | None, rotate: int = 0) -> tuple[float, float]:
    """Width and height of the part in use as shown: pixels made square, cropped, then turned."""
    part = crop or WHOLE
    width = (media.width or 1) * media.pixel_aspect * part.width
    height = (media.height or 1) * part.height
    return (height, width) if rotate % 180 else (width, height)


def fitted_size(width: float, height: float, most_wide: int, most_high: int) -> tuple[int, int]:
    """The largest even size of this shape that fits."""
    factor = min(most_wide / width, most_high / height)
    return (
        min(most_wide, even(width * factor)),
        min(most_high, even(height * factor)),
    )


def even(size: float) -> int:
    """The nearest even number, at least 2: 4:2:0 pictures have no other sizes."""
    return max(2, 2 * round(size / 2))


def placed(place: Place, room: tuple[int, int], size: tuple[int, int], margin: int = 0) -> tuple[int, int]:
    """The top left corner, on even pixels, of something of this size that stands at `place` inside the room."""
    free = [outer - inner for outer, inner in zip(room, size, strict=True)]
    if isinstance(place, str):
        gap = [min(margin, space // 2) for space in free]
        at = [g + (space - 2 * g) * share for space, share, g in zip(free, _ANCHORS[place], gap, strict=True)]
    else:
        at = [share * outer - inner / 2 for share, outer, inner in zip((place.x, place.y), room, size, strict=True)]
    left, top = (2 * int(min(max(value, 0), max(space, 0)) / 2) for value, space in zip(at, free, strict=True))
    return left, top


def scaled(stream: Stream, media: MediaInfo, clip: Clip, visible: Area, size: tuple[int, int], frame: Frame) -> Stream:
    """The `visible` part of the cropped, turned picture at this size, in the film's colours (BT.709, limited range)."""
    stream = _cropped(stream, _source_area(visible, clip))
    width, height = reversed(size) if clip.rotate % 180 else size
    stream = _coloured(stream, media, width, height, frame)
    return _turned(stream, clip)


def _source_area(visible: Area, clip: Clip) -> Area:
    """Where in the source the visible part of the flipped, turned, cropped picture comes from."""
    x, y, w, h = visible.x, visible.y, visible.width, visible.height
    if clip.flip == "horizontal":
        x = 1 - x - w
    elif clip.flip == "vertical":
        y = 1 - y - h
    x, y, w, h = {
        0: (x, y, w, h), 90: (y, 1 - x - w, h, w), 180: (1 - x - w, 1 - y - h, w, h), 270: (1 - y - h, x, h, w),
    }[clip.rotate]  # fmt: skip
    crop = clip.crop or WHOLE
    return Area.model_construct(
        x=crop.x + x * crop.width, y=crop.y + y * crop.height, width=w * crop.width, height=h * crop.height
    )


def _cropped(stream: Stream, area: Area) -> Stream:
    if area.width > 1 - 1e-6 and area.height > 1 - 1e-6:
        return stream
    # A band of a small picture may be thinner than 4:2:0 can be.
    sizes = {"w": f"max(iw*{area.width:.6f},2)", "h": f"max(ih*{area.height:.6f},2)"}
    return apply(stream, "crop", **sizes, x=f"iw*{area.x:.6f}", y=f"ih*{area.y:.6f}")


def _coloured(stream: Stream, media: MediaInfo, width: int, height: int, frame: Frame) -> Stream:
    options: dict[str, Option] = {"w": width, "h": height} | ({"flags": frame.scaler} if frame.scaler else {})
    if media.is_hdr:
        return _tone_mapped(apply(stream, "scale", **options), media)
    options["out_range"] = "tv"
    if media.matrix not in ("bt709", "rgb") and media.kind == "video":
        options["in_color_matrix"] = media.matrix
    if media.matrix != "bt709" or media.kind == "image":
        options["out_color_matrix"] = "bt709"
    stream = apply(stream, "scale", **options)
    return apply(stream, "format", pix_fmts="yuva420p" if media.alpha else frame.pixel_format)


def _tone_mapped(stream: Stream, media: MediaInfo) -> Stream:
    stream = apply(stream, "format", pix_fmts="yuv420p10le")
    stream = apply(
        stream, "zscale", tin=media.transfer, pin=media.primaries, min=_ZSCALE_MATRICES.get(media.matrix, media.matrix),
        rin="tv", t="linear", npl=_HDR_WHITE_NITS,
    )  # fmt: skip
    stream = apply(stream, "format", pix_fmts="gbrpf32le")
    peak = f"{_HDR_PEAK_NITS / _HDR_WHITE_NITS:.4f}"
    stream = apply(stream, "zscale", p="bt709")
    stream = apply(stream, "tonemap", tonemap="mobius", param=_HDR_KNEE, peak=peak, desat=0)
    stream = apply(stream, "zscale", t="bt709", m="bt709", r="tv")
    return apply(stream, "format", pix_fmts="yuv420p")


_ZSCALE_MATRICES = {"bt2020": "2020_ncl", "bt601": "170m", "smpte240m": "240m"}


def _turned(stream: Stream, clip: Clip) -> Stream:
    if clip.rotate in (90, 270):
        stream = apply(stream, "transpose", dir="clock" if clip.rotate == 90 else "cclock")
    elif clip.rotate == 180:
        stream = apply(apply(stream, "hflip"), "vflip")
    if clip.flip is None:
        return stream
    return apply(stream, "hflip" if clip.flip == "horizontal" else "vflip")


def _covering(shape: float, frame: Frame, place: Place) -> Area:
    """The largest part of the frame's shape; `place` chooses which, a point as near its middle as can be."""
    wanted = frame.width / frame.height
    width, height = min(1.0, wanted / shape), min(1.0, shape / wanted)
    if isinstance(place, str):
        x, y = (share * (1 - size) for share, size in zip(_ANCHORS[place], (width, height), strict=True))
    else:
        x = min(max(place.x - width / 2, 0.0), 1 - width)
        y = min(max(place.y - height / 2, 0.0), 1 - height)
    return Area.model_construct(x=x, y=y, width=width, height=height)


def _over_itself(stream: Stream, inner: tuple[int, int], place: Place, frame: Frame) -> Stream:
    picture, fill = split(apply(stream, "format", pix_fmts="yuv420p"))
    fill = _cropped(fill, _covering(inner[0] / inner[1], frame, "center"))
    small = (even(frame.width / _FILL_SHRINK), even(frame.height / _FILL_SHRINK))
    fill = apply(apply(fill, "scale", w=small[0], h=small[1]), "gblur", sigma=_FILL_SIGMA)
    fill = apply(fill, "scale", w=frame.width, h=frame.height, flags="bilinear")
    x, y = placed(place, (frame.width, frame.height), inner)
    return _opaque(join((fill, picture), "overlay", x=x, y=y, format="yuv420"), frame)


def _opaque(stream: Stream, frame: Frame) -> Stream:
    return apply(stream, "format", pix_fmts="yuva420p") if frame.see_through else stream


def _on_background(
    stream: Stream, clip: Clip, media: MediaInfo, frame: Frame, inner: tuple[int, int] | None = None
) -> Stream:
    """With bars of the background's colour; a picture's own transparency shows it too, except over a lower track."""
    size = inner or (frame.width, frame.height)
    x, y = placed(clip.position, (frame.width, frame.height), size)
    colour = f"0x{clip.background[1:]}"
    if media.alpha and not frame.see_through:
        # As long as the picture: a still is one frame, made longer later.
        end = {"d": f"{1 / frame.fps:.6f}"} if media.kind == "image" else {}
        plain = open_virtual(
            "color", c=f"0x{_over_black(clip.background)}", s=f"{frame.width}x{frame.height}", r=frame.fps, **end
        )
        return join((plain, stream), "overlay", x=x, y=y, format="yuv420", shortest=0 if end else 1)
    if size == (frame.width, frame.height):
        return stream
    if not frame.see_through:
        colour = f"0x{_over_black(clip.background)}"
    return apply(stream, "pad", w=frame.width, h=frame.height, x=x, y=y, color=colour)


def _over_black(colour: str) -> str:
    """`#RRGGBBAA` as it looks over black: `RRGGBB`."""
    alpha = int(colour[7:9] or "ff", 16) / 255
    return "".join(f"{round(int(colour[n : n + 2], 16) * alpha):02x}" for n in (1, 3, 5))
