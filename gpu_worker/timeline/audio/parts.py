"""One part of the mix as a chain of ffmpeg filters, exactly as many samples as it says. Pure.

Every part is 32-bit float, 48 kHz, stereo from here on, so that nothing clips before the master.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isclose

from gpu_worker.media.graph import Option, Stream, apply, open_source
from gpu_worker.media.loudness import RATE, louder
from gpu_worker.timeline.audio.files import fitted
from gpu_worker.timeline.film import Sound

# Decoders of AAC, MP3 and Opus need some of what comes before a place to be right about it.
_PREROLL_SECONDS = 0.2
# Gaps in a file, a late start among them, become silence once they would be seen: sound stays with its picture.
_GAPS: dict[str, Option] = {"async": 1, "first_pts": 0, "min_hard_comp": 0.04}
# One `atempo` sounds well up to these.
_FASTEST, _SLOWEST = 2.0, 0.5
# At every speed it comes out as early as this, counted in what goes in, and keeps some of the end to itself.
_TEMPO_EARLY = round(0.007 * RATE)
_TEMPO_KEEPS = RATE // 10


def part(sound: Sound) -> Stream:
    """The part without what comes before it. A `loop` repeats the whole of its source, whose edges must fit."""
    stream = _repeated(sound) if sound.loop else _stretch(sound)
    if sound.reverse:
        stream = apply(stream, "areverse")
    stream = fitted(_at_speed(stream, sound.speed), sound.samples)
    return louder(_faded(stream, sound), sound.volume)


def stretch_seconds(sound: Sound) -> float:
    """How much of the source is heard until it ends or begins again."""
    needed = sound.samples / RATE * sound.speed
    end = sound.end if sound.end is not None or not sound.loop else sound.source.media.duration
    if end is None:
        return needed
    return end - sound.start if sound.reverse else min(end - sound.start, needed)


@dataclass(frozen=True)
class Excerpt:
    """What is read of a source, in seconds: from `early` on, `lead` before what is heard, for `seconds`."""

    early: float
    lead: float
    seconds: float

    @property
    def limits(self) -> dict[str, Option]:
        """ffmpeg's options of the input."""
        seek: dict[str, Option] = {"ss": f"{self.early:.6f}"} if self.early else {}
        return {**seek, "t": f"{self.seconds:.6f}"}


def excerpt(sound: Sound) -> Excerpt:
    """A little more than the stretch, at both ends."""
    early = max(0.0, sound.start - _PREROLL_SECONDS)
    lead = sound.start - early
    return Excerpt(early, lead, lead + stretch_seconds(sound) + _PREROLL_SECONDS)


def _stretch(sound: Sound) -> Stream:
    read = excerpt(sound)
    stream = _opened(sound, **read.limits)
    first = round(read.lead * RATE)
    last = first + max(1, round(stretch_seconds(sound) * RATE))
    if sound.reverse:
        stream = apply(stream, "apad", whole_len=last)
    return apply(apply(stream, "atrim", start_sample=first, end_sample=last), "asetpts", expr="N/SR/TB")


def _repeated(sound: Sound) -> Stream:
    return _opened(sound, stream_loop=-1)


def _opened(sound: Sound, **options: Option) -> Stream:
    media = sound.source.media
    stream = apply(open_source(sound.source.path, media, "audio", **options), "aresample", RATE, **_GAPS)
    if media.channels == 1:
        # ffmpeg's own way to stereo makes one channel 3 dB quieter; players give it to both ears as it is.
        stream = apply(stream, "pan", args="stereo|c0=c0|c1=c0")
    return apply(stream, "aformat", sample_fmts="fltp", channel_layouts="stereo")


def _at_speed(stream: Stream, speed: float) -> Stream:
    """Faster or slower at the same pitch."""
    while not isclose(speed, 1):
        step = min(max(speed, _SLOWEST), _FASTEST)
        stream = apply(stream, "adelay", delays=f"{_TEMPO_EARLY}S", all=1)
        # adelay may leave the first of its times unsaid, and a fade behind it would never begin or end.
        stream = apply(apply(stream, "asetpts", expr="N/SR/TB"), "apad", pad_len=_TEMPO_KEEPS)
        stream = apply(stream, "atempo", f"{step:.9f}")
        speed /= step
    return stream


def _faded(stream: Stream, sound: Sound) -> Stream:
    if sound.fade_in:
        stream = apply(stream, "afade", type="in", start_sample=0, nb_samples=sound.fade_in, curve="tri")
    if sound.fade_out:
        start = sound.samples - sound.fade_out
        stream = apply(stream, "afade", type="out", start_sample=start, nb_samples=sound.fade_out, curve="tri")
    return stream
