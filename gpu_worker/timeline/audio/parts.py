"""One part of the mix as a chain of ffmpeg filters: exactly its samples, at its place. Pure.

Every part is 32-bit float, 48 kHz, stereo from here on, so that nothing clips before the master.
"""

from __future__ import annotations

from math import log

from gpu_worker.media.graph import Stream, apply, open_source
from gpu_worker.timeline.film import RATE, Sound

# Decoders of AAC, MP3 and Opus need the frames before a place to be right about it.
_PREROLL_SECONDS = 0.2
# Where a looped stretch begins again, so that it does not click.
_SEAM_SAMPLES = 240
_FASTEST, _SLOWEST = 2.0, 0.5


def part(sound: Sound, at: int) -> Stream:
    """The part `at` samples into what it is mixed with, `sound.samples` long after that silence."""
    stream = _stretch(sound)
    if sound.reverse:
        stream = apply(stream, "areverse")
    stream = _at_speed(stream, sound.speed)
    if sound.loop and sound.end is not None:
        stream = _looped(stream, sound)
    stream = apply(apply(stream, "apad"), "atrim", end_sample=sound.samples)
    stream = _faded(stream, sound)
    if sound.volume != 1:
        stream = apply(stream, "volume", volume=f"{sound.volume:.4f}", precision="float")
    return apply(stream, "adelay", delays=f"{at}S", all=1) if at else stream


def _stretch(sound: Sound) -> Stream:
    """The stretch of the source from `start` to `end` with gaps as silence, so that sound stays with its picture."""
    early = max(0.0, sound.start - _PREROLL_SECONDS)
    seek = {"ss": f"{early:.6f}"} if early > 0 else {}
    length = _seconds(sound)
    stream = open_source(
        sound.source.path,
        sound.source.media,
        "audio",
        **seek,
        t=f"{sound.start - early + length + _PREROLL_SECONDS:.6f}",
    )
    stream = apply(stream, "aresample", RATE, **{"async": 1, "first_pts": 0})
    stream = _stereo(stream, sound.source.media.channels)
    first = round((sound.start - early) * RATE)
    stream = apply(apply(stream, "apad"), "atrim", start_sample=first, end_sample=first + max(1, round(length * RATE)))
    return apply(stream, "asetpts", expr="N/SR/TB")


def _seconds(sound: Sound) -> float:
    """How much of the source is heard once."""
    needed = sound.samples / RATE * sound.speed
    if sound.end is None:
        return needed
    return sound.end - sound.start if sound.loop or sound.reverse else min(sound.end - sound.start, needed)


def _stereo(stream: Stream, channels: int | None) -> Stream:
    if channels == 1:
        # ffmpeg's own way to stereo makes one channel 3 dB quieter; players give it to both ears as it is.
        stream = apply(stream, "pan", args="stereo|c0=c0|c1=c0")
    return apply(stream, "aformat", sample_fmts="fltp", channel_layouts="stereo")


def _at_speed(stream: Stream, speed: float) -> Stream:
    """Faster or slower at the same pitch. One `atempo` sounds well from half to double the speed."""
    while abs(log(speed)) > 1e-9:
        step = min(max(speed, _SLOWEST), _FASTEST)
        stream = apply(stream, "atempo", f"{step:.9f}")
        speed /= step
    return stream


def _looped(stream: Stream, sound: Sound) -> Stream:
    size = max(1, round((sound.end or 0) * RATE) - round(sound.start * RATE))
    edge = min(_SEAM_SAMPLES, size // 4)
    stream = apply(stream, "afade", type="in", nb_samples=edge)
    stream = apply(stream, "afade", type="out", start_sample=size - edge, nb_samples=edge)
    return apply(stream, "aloop", loop=-1, size=size)


def _faded(stream: Stream, sound: Sound) -> Stream:
    if sound.fade_in:
        stream = apply(stream, "afade", type="in", start_sample=0, nb_samples=sound.fade_in, curve="tri")
    if sound.fade_out:
        start = sound.samples - sound.fade_out
        stream = apply(stream, "afade", type="out", start_sample=start, nb_samples=sound.fade_out, curve="tri")
    return stream
