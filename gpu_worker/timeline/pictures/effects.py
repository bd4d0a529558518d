"""What can be done to the picture of one clip. All in YUV; times count from the shot's first frame. Pure."""

from __future__ import annotations

from gpu_worker.media.graph import Option, Stream, apply, join, open_virtual, split
from gpu_worker.timeline.film import Shot
from gpu_worker.timeline.pictures.framing import Frame, even
from shared.timeline import Effect

_BLUR_SHARE = 0.03
_BLOCK_SHARE = 0.08
_GLOW_SHRINK = 4
_LONGEST_FADE_SECONDS = 2.0
_GRAIN_STRENGTH = 40
# The grain plate is larger than the frame, and each frame shows another part of it.
_PLATE_MARGIN = 64
_SEPIA = (-18, 14)


def with_effects(stream: Stream, shot: Shot, first: int, frame: Frame) -> Stream:
    """The stream, whose times are the shot's frame numbers from `first` on, with the clip's effects one by one."""
    for effect in shot.clip.effects if shot.clip else ():
        long = effect if isinstance(effect, Effect) else Effect(type=effect)
        stream = _with(stream, long, shot, first, frame)
    return stream


def _with(stream: Stream, effect: Effect, shot: Shot, first: int, frame: Frame) -> Stream:
    amount = effect.amount
    match effect.type:
        case "grayscale":
            return _chroma(stream, 1 - amount, 0, 0)
        case "sepia":
            return _chroma(stream, 1 - amount, *(amount * tint for tint in _SEPIA))
        case "negative":
            turned = f"val+{amount:.4f}*(maxval+minval-2*val)"
            return apply(stream, "lutyuv", y=turned, u=turned, v=turned)
        case "vignette":
            return vignette(stream, amount, frame)
        case "grain":
            return _grainy(stream, amount, first, frame)
        case "fade_in" | "fade_out":
            return _faded(stream, effect, shot, frame.fps)
        case _:
            return _sharper_or_softer(stream, effect, frame)


def _sharper_or_softer(stream: Stream, effect: Effect, frame: Frame) -> Stream:
    amount, short = effect.amount, min(frame.width, frame.height)
    match effect.type:
        case "blur":
            return apply(stream, "gblur", sigma=f"{amount * short * _BLUR_SHARE:.3f}")
        case "sharpen":
            size = {"luma_msize_x": 5, "luma_msize_y": 5}
            return _beside_alpha(stream, frame, "unsharp", **size, luma_amount=f"{amount * 2.5:.3f}")
        case "color_shift":
            shift = round(amount * short / 40)
            return apply(stream, "chromashift", cbh=-shift, crh=shift)
        case "pixelate":
            return _pixelated(stream, amount, short, frame)
        case _:
            return glow(stream, amount, frame)


def vignette(stream: Stream, amount: float, frame: Frame) -> Stream:
    """Darker towards the corners; its dither, which depends on what came before, is off."""
    return _beside_alpha(stream, frame, "vignette", angle=f"{0.2 + 0.75 * amount:.4f}", dither=0)


def _beside_alpha(stream: Stream, frame: Frame, name: str, **options: Option) -> Stream:
    """What a filter that knows no alpha makes of the picture; the alpha goes around it."""
    if not frame.see_through:
        return apply(stream, name, **options)
    picture, other = split(stream)
    picture = apply(apply(picture, "format", pix_fmts="yuv420p"), name, **options)
    return join((picture, apply(other, "alphaextract")), "alphamerge")


def glow(stream: Stream, amount: float, frame: Frame) -> Stream:
    """A blurred picture laid over the sharp one as light."""
    sharp, soft = split(stream)
    small = (even(frame.width / _GLOW_SHRINK), even(frame.height / _GLOW_SHRINK))
    soft = apply(apply(soft, "scale", w=small[0], h=small[1]), "gblur", sigma=f"{max(small) / 60:.3f}")
    soft = apply(soft, "scale", w=frame.width, h=frame.height, flags="bilinear")
    return join((sharp, soft), "blend", c0_mode="screen", c0_opacity=f"{amount * 0.7:.3f}")


def _chroma(stream: Stream, gain: float, u: float, v: float) -> Stream:
    one = f"clip(128+(val-128)*{gain:.4f}+{{:.3f}},16,240)"
    return apply(stream, "lutyuv", u=one.format(u), v=one.format(v))


def _pixelated(stream: Stream, amount: float, short: int, frame: Frame) -> Stream:
    block = max(2.0, amount * short * _BLOCK_SHARE)
    stream = apply(stream, "scale", w=even(frame.width / block), h=even(frame.height / block), flags="area")
    return apply(stream, "scale", w=frame.width, h=frame.height, flags="neighbor")


def _grainy(stream: Stream, amount: float, first: int, frame: Frame) -> Stream:
    # One still plate of noise, moved about by the frame's number: ffmpeg's moving noise depends on what came before.
    size = f"{frame.width + _PLATE_MARGIN}x{frame.height + _PLATE_MARGIN}"
    plate = open_virtual("color", c="gray", s=size, r=frame.fps, d=f"{1 / frame.fps:.6f}")
    plate = apply(plate, "format", pix_fmts="yuv420p")
    plate = apply(plate, "noise", c0_strength=max(1, round(amount * _GRAIN_STRENGTH)), c0_seed=7)
    plate = apply(plate, "loop", loop=-1, size=1)
    x, y = (f"mod((n+{first})*{step},{_PLATE_MARGIN})" for step in (37, 23))
    plate = apply(plate, "crop", w=frame.width, h=frame.height, x=x, y=y)
    plate = apply(plate, "setpts", expr=f"N+{first}")
    return join((stream, plate), "blend", c0_mode="grainmerge", shortest=1)


def _faded(stream: Stream, effect: Effect, shot: Shot, fps: int) -> Stream:
    frames = max(1, min(round(effect.amount * _LONGEST_FADE_SECONDS * fps), shot.frames // 2))
    start = 0 if effect.type == "fade_in" else shot.frames - frames
    direction = effect.type.removeprefix("fade_")
    # By time, not by count: the stream may begin anywhere in the shot.
    return apply(stream, "fade", type=direction, start_time=f"{start / fps:.6f}", duration=f"{frames / fps:.6f}")
