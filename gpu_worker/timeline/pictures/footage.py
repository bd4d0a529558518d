"""Which frames of a source a piece of a shot shows, and the ffmpeg chain that picks exactly those. Pure.

Film frame k of a shot shows what the source shows in the middle of that frame's time. Where a chunk begins must not
change this, so times are the file's own (`-copyts`; seeking only decides where decoding starts) and one expression
turns each into a frame number of the shot; the `fps` filter then only drops and repeats.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gpu_worker.media.graph import Option, Stream, apply, open_source
from gpu_worker.media.probe import MediaInfo
from gpu_worker.timeline.film import Shot, Source

# Sources often have their frames exactly between two of the film's, and Matroska rounds times to milliseconds: this
# much later is never a tie.
PHASE_SECONDS = 0.0008
# So fine that one frame of any source is at least one tick.
_TICKS_PER_FRAME = 100_000
Codecs = frozenset[str]
"""What the graphics card decodes."""
NONE: Codecs = frozenset()
# Filters that look back want a picture before the first; AVI seeks to the nearest of its frames, earlier or later.
_LOOK_BACK_SECONDS = 0.5


@dataclass(frozen=True)
class Stretch:
    """`frames` moving frames from number `first` on, in the order of the source; number `hold` of them, as shown, is
    shown `extra` times more.
    """

    first: int
    frames: int
    hold: int
    extra: int


def stretch(shot: Shot, first: int, frames: int) -> Stretch:
    """What frames `first` … `first + frames - 1` of a shot show."""
    moving = max(1, shot.frames - shot.held)
    hold = min(shot.hold_at, moving - 1)

    def shown(frame: int) -> int:
        if frame < shot.hold_at:
            return min(frame, moving - 1)
        return hold if frame < shot.hold_at + shot.held else min(frame - shot.held, moving - 1)

    start, end = shown(first), shown(first + frames - 1) + 1
    extra = frames - (end - start)
    begin = moving - end if is_reversed(shot) else start
    return Stretch(begin, end - start, hold - start, extra)


def footage(
    shot: Shot, source: Source, first: int, frames: int, fps: int, card: Codecs, framed: Callable[[Stream], Stream]
) -> Stream:
    """Frames `first` … of the shot as `framed` makes them; exactly `frames`, their times `first`, … in 1/fps."""
    part = stretch(shot, first, frames)
    if source.media.kind == "image":
        return _numbered(_still(framed(_opened(source, 0.0, card)), frames, fps), first)
    stream = _held(framed(_moving(shot, source, part, fps, card)), part.frames)
    if is_reversed(shot):
        stream = apply(stream, "reverse")
    if part.extra > 0:
        # loop counts frames from 1.
        stream = apply(stream, "loop", loop=part.extra, size=1, start=part.hold + 1)
    return _numbered(stream, first)


def is_reversed(shot: Shot) -> bool:
    """True when the shot runs backwards."""
    return shot.clip is not None and shot.clip.reverse


def _moving(shot: Shot, source: Source, part: Stretch, fps: int, card: Codecs) -> Stream:
    speed = shot.clip.speed if shot.clip else 1.0
    stream = _opened(source, shot.start + part.first * speed / fps, card)
    if source.media.interlaced:
        stream = apply(stream, "bwdif", mode="send_frame", deint="interlaced")
    rate = fps / speed
    number = f"floor((PTS*TB-{shot.start:.6f})*{rate:.9f}+{0.5 + PHASE_SECONDS * rate:.9f})-{part.first}"
    stream = apply(stream, "settb", expr=f"1/{fps * _TICKS_PER_FRAME}")
    stream = apply(stream, "setpts", expr=f"max({number},0)*{_TICKS_PER_FRAME}")
    return _at_rate(stream, fps)


def _at_rate(stream: Stream, fps: int) -> Stream:
    # Where there is one picture alone, or all that is left of a file is its last, `fps` would see no length.
    stream = apply(stream, "tpad", stop=1, stop_mode="clone")
    return apply(stream, "fps", fps=fps, start_time=0, round="up", eof_action="pass")


def _opened(source: Source, start: float, card: Codecs) -> Stream:
    # The picture on show at `start` may have come long before (screen recordings): nothing after the key frame is cut.
    looks_back = source.media.interlaced or source.media.container == "avi"
    start -= _LOOK_BACK_SECONDS if looks_back else PHASE_SECONDS
    # Frames of a GIF build on one another, and none is marked as a beginning.
    seek: dict[str, Option] = {}
    if start > 0 and source.media.container != "gif":
        seek = {"ss": f"{start:.6f}", "noaccurate_seek": None}
    # copyts is no option of the input, but every graph that opens sources this way needs it.
    times: dict[str, Option] = {"copyts": None, "start_at_zero": None}
    return open_source(source.path, source.media, "video", **times, **seek, **_decoder(source.media, card))


def _decoder(media: MediaInfo, card: Codecs) -> dict[str, Option]:
    # A chunk has one decoder at work at a time: threads of their own cost memory and CPU time.
    is_hers = media.kind == "video" and media.video_codec in card and not media.alpha
    # What the card decodes comes back to main memory, the same to the bit, and no filter need know.
    return {"threads": 1, **({"hwaccel": "cuda"} if is_hers else {})}


def _held(stream: Stream, frames: int) -> Stream:
    """Exactly `frames`: a file that ends a little early holds its last picture."""
    return apply(apply(stream, "tpad", stop=-1, stop_mode="clone"), "trim", end_frame=frames)


def _still(stream: Stream, frames: int, fps: int) -> Stream:
    return _held(_at_rate(stream, fps), frames)


def _numbered(stream: Stream, first: int) -> Stream:
    return apply(stream, "setpts", expr=f"N+{first}")
