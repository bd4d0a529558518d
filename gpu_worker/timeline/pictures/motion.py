"""Camera moves: the frame looks at a part of the framed picture that changes over the shot. Pure.

`perspective` maps with 1/256 of a pixel; `zoompan` and `crop` go in whole pixels and tremble when they are slow.
"""

from __future__ import annotations

from dataclasses import replace

from gpu_worker.media.graph import Stream, apply
from gpu_worker.media.probe import MediaInfo
from gpu_worker.timeline.film import Shot
from gpu_worker.timeline.pictures.framing import Frame, even, shown_size
from shared.timeline import Motion
from shared.timeline.clips import Easing
from shared.timeline.parts import Area

# A canvas larger than the film keeps near views sharp, and makes up for the plain interpolation on it.
_CANVAS = 1.5
_EASED: dict[Easing, str] = {
    "linear": "{p}", "ease_in": "{p}*{p}", "ease_out": "{p}*(2-{p})", "ease_in_out": "{p}*{p}*(3-2*{p})",
}  # fmt: skip
# Where a Ken Burns move ends when nobody says: a little above the middle, where faces are.
_KEN_BURNS_END = (0.65, 0.35)


def motion_of(shot: Shot) -> Motion | None:
    """The shot's camera move in its long form; None when it stands still."""
    move = shot.clip.motion if shot.clip else None
    if move is None:
        return None
    long = move if isinstance(move, Motion) else Motion(type=move)
    return long if len(set(views(long))) > 1 or views(long)[0] != (0.0, 0.0, 1.0) else None


def canvas(shot: Shot, media: MediaInfo, frame: Frame) -> Frame:
    """The frame to make before the camera moves over it: larger where the source has the pixels for it."""
    clip = shot.clip
    if clip is None or motion_of(shot) is None:
        return frame
    width, height = shown_size(media, clip.crop, clip.rotate)
    if max(width / frame.width, height / frame.height) < _CANVAS:
        return frame
    return replace(frame, width=even(frame.width * _CANVAS), height=even(frame.height * _CANVAS))


def moved(stream: Stream, shot: Shot, first: int, made: Frame, frame: Frame) -> Stream:
    """The stream of frames `first` … of the shot, of size `made`, as the camera sees them, of size `frame`."""
    move = motion_of(shot)
    if move is None:
        return stream
    part = f"min((on+{first - 1})/{max(1, shot.frames - 1)},1)"
    eased = _EASED[move.easing].format(p=part)
    (x0, y0, size0), (x1, y1, size1) = views(move)
    x, y, size = (f"({a:.6f}+{b - a:.6f}*{eased})" for a, b in ((x0, x1), (y0, y1), (size0, size1)))
    corners = {
        "x0": f"W*{x}", "y0": f"H*{y}", "x1": f"W*({x}+{size})", "y1": f"H*{y}",
        "x2": f"W*{x}", "y2": f"H*({y}+{size})", "x3": f"W*({x}+{size})", "y3": f"H*({y}+{size})",
    }  # fmt: skip
    is_large = made != frame
    how = "linear" if is_large else "cubic"
    stream = apply(stream, "perspective", **corners, sense="source", eval="frame", interpolation=how)
    return apply(stream, "scale", w=frame.width, h=frame.height) if is_large else stream


View = tuple[float, float, float]


def views(move: Motion) -> tuple[View, View]:
    """What the camera sees first and last: left, top and size as shares of the framed picture."""
    near, wide = 1 / (1 + move.strength), 1 - move.strength / 2
    whole, close, rest = (0.0, 0.0, 1.0), ((1 - near) / 2, (1 - near) / 2, near), 1 - wide
    match move.type:
        case "zoom_in":
            return whole, close
        case "zoom_out":
            return close, whole
        case "pan_left":
            return (rest, rest / 2, wide), (0.0, rest / 2, wide)
        case "pan_right":
            return (0.0, rest / 2, wide), (rest, rest / 2, wide)
        case "pan_up":
            return (rest / 2, rest, wide), (rest / 2, 0.0, wide)
        case "pan_down":
            return (rest / 2, 0.0, wide), (rest / 2, rest, wide)
        case "ken_burns":
            return _ken_burns(move, near)


def _ken_burns(move: Motion, near: float) -> tuple[View, View]:
    x, y = ((1 - near) * share for share in _KEN_BURNS_END)
    given = move.from_area or move.to_area
    start = _view(move.from_area) if move.from_area else (0.0, 0.0, 1.0)
    if move.to_area:
        return start, _view(move.to_area)
    return start, (0.0, 0.0, 1.0) if given else (x, y, near)


def _view(area: Area) -> View:
    """The smallest view that shows the whole area, around its middle as near as the picture's edge allows."""
    size = max(area.width, area.height)
    x = min(max(area.x + (area.width - size) / 2, 0.0), 1 - size)
    y = min(max(area.y + (area.height - size) / 2, 0.0), 1 - size)
    return x, y, size
