"""An independent probe of a finished film: decode every frame and sample, and compare with what was planned.

    python examples/verify.py data/demo/film.mp4 data/demo/plan.json      exit code 0 when all agree, else 1

Shares no code with the worker that made the film.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

RATE = 48_000
FRAMES_OFF = 2
BLOCK = 8
Array = NDArray[Any]


@dataclass(frozen=True)
class Check:
    """One fact: what was planned, what was found, and whether they agree."""

    name: str
    planned: str
    found: str
    agrees: bool


@dataclass
class Film:
    """What decoding found. `text[i]` counts text-like blocks in the lower part of frame `i`; times in seconds."""

    video: str = "none"
    audio: str = "none"
    size: tuple[int, int] = (0, 0)
    fps: float = 0.0
    seconds: float = 0.0
    times: list[float] = field(default_factory=list)
    text: list[int] = field(default_factory=list)
    brightness: list[float] = field(default_factory=list)
    contrast: list[float] = field(default_factory=list)
    samples: Array = field(default_factory=lambda: np.zeros(0, np.float32))


def verify(path: Path, plan: dict[str, Any]) -> list[Check]:
    """Every check of the film at `path` against `plan`; see `demo.py` for what a plan says."""
    try:
        film = decode(path)
    except (av.FFmpegError, OSError) as error:
        return [Check("decodes", "to its end", error.strerror or "no film at all", agrees=False)]
    return [
        Check("video", "h264", film.video, film.video == "h264"),
        Check("audio", "aac", film.audio, film.audio == "aac"),
        Check("size", "{width}x{height}".format(**plan), "{}x{}".format(*film.size), list(film.size) == frame(plan)),
        Check("frame rate", f"{plan['fps']} fps", f"{film.fps:g} fps", film.fps == plan["fps"]),
        length(film, plan),
        frames(film, plan),
        picture(film),
        starts_fast(path),
        *captions(film, plan),
        *sound(film, plan),
    ]


def decode(path: Path) -> Film:
    """Decode the whole file. Raises FFmpegError when it is damaged or no film at all."""
    film = Film()
    with av.open(str(path)) as container:
        film.seconds = (container.duration or 0) / av.time_base
        for stream in container.streams.video[:1]:
            film.video = stream.codec_context.name
            film.size = (stream.codec_context.width, stream.codec_context.height)
            film.fps = float(stream.average_rate or 0)
            for image in container.decode(stream):
                note_frame(film, image)
    with av.open(str(path)) as container:
        for sound_stream in container.streams.audio[:1]:
            film.audio = sound_stream.codec_context.name
            resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
            parts = [part for heard in container.decode(sound_stream) for part in resampler.resample(heard)]
            film.samples = np.concatenate([part.to_ndarray()[0] for part in parts]) if parts else film.samples
    return film


def note_frame(film: Film, image: av.VideoFrame) -> None:
    """Keep of a frame only what the checks need."""
    luma = image.to_ndarray(format="gray")
    film.times.append(float(image.time or 0))
    film.text.append(text_blocks(luma[int(luma.shape[0] * 0.6) :]))
    film.brightness.append(float(luma.mean()))
    film.contrast.append(float(luma.std()))


def text_blocks(luma: Array) -> int:
    """How many small blocks hold both near-white and near-black: the edges of outlined or boxed letters."""
    high, wide = (side // BLOCK * BLOCK for side in luma.shape)
    blocks = luma[:high, :wide].reshape(high // BLOCK, BLOCK, wide // BLOCK, BLOCK)
    return int(((blocks.max(axis=(1, 3)) >= 215) & (blocks.min(axis=(1, 3)) <= 70)).sum())


def frame(plan: dict[str, Any]) -> list[int]:
    """The planned width and height."""
    return [plan["width"], plan["height"]]


def length(film: Film, plan: dict[str, Any]) -> Check:
    """Container, picture and sound all last as long as planned, within two frames."""
    seconds = [film.seconds, len(film.times) / film.fps if film.fps else 0.0, len(film.samples) / RATE]
    off = max(abs(found - plan["seconds"]) for found in seconds)
    found = " / ".join(f"{value:.2f}" for value in seconds) + " s (file / picture / sound)"
    return Check("length", f"{plan['seconds']:.2f} s", found, off <= (FRAMES_OFF + 0.5) / plan["fps"])


def frames(film: Film, plan: dict[str, Any]) -> Check:
    """Every frame decodes, each exactly one frame after the one before."""
    planned = round(plan["seconds"] * plan["fps"])
    even = len(film.times) > 1 and bool(np.abs(np.diff(film.times) * plan["fps"] - 1).max() < 0.1)
    found = f"{len(film.times)}, {'evenly' if even else 'unevenly'} spaced"
    return Check("frames", f"{planned}, evenly spaced", found, even and abs(len(film.times) - planned) <= FRAMES_OFF)


def picture(film: Film) -> Check:
    """Something is to be seen nearly all the time."""
    seen = float(np.mean(np.array(film.contrast) > 4)) if film.contrast else 0.0
    return Check("picture", "never blank for long", f"seen in {seen:.0%} of frames", seen > 0.9)


def starts_fast(path: Path) -> Check:
    """The index stands before the media, so a browser can start at once (ISO/IEC 14496-12, boxes moov and mdat)."""
    with path.open("rb") as file:
        kinds: list[str] = []
        while len(header := file.read(8)) == 8 and len(kinds) < 20:
            size = int.from_bytes(header[:4], "big")
            kinds.append(header[4:].decode("latin-1"))
            if size < 8:  # 0: to the end of the file, 1: a 64-bit size, which only a huge mdat has
                break
            file.seek(size - 8, 1)
    first = next((kind for kind in kinds if kind in ("moov", "mdat")), "neither")
    return Check("starts playing", "index first", "index first" if first == "moov" else first, first == "moov")


def captions(film: Film, plan: dict[str, Any]) -> list[Check]:
    """Letters appear in the lower part of the picture where each caption starts, and vanish where it ends."""
    if not plan["captions"]:
        return []
    rises = [(rise(film, start, +1) + rise(film, end, -1)) / 2 for start, end, _ in plan["captions"]]
    # A letter of the usual size touches about seven blocks of a 720p frame; a third of that is far above chance.
    least = [max(1, len(text) * plan["width"] * plan["height"] / 400_000) for _, _, text in plan["captions"]]
    seen = sum(more >= enough for more, enough in zip(rises, least, strict=True))
    found = f"{seen} seen ({', '.join(f'{more:+.0f}' for more in rises)} blocks of letters)"
    return [Check("captions", f"{len(rises)} burned in", found, seen == len(rises))]


def rise(film: Film, moment: float, direction: int) -> float:
    """How many more blocks of letters there are just after a moment than just before; -1 asks the other way round."""
    since = (np.array(film.times) - moment) * direction
    text = np.array(film.text)
    inside, outside = text[(since > 0.1) & (since < 0.35)], text[(since < -0.02) & (since > -0.25)]
    return float(np.median(inside) - np.median(outside)) if inside.size and outside.size else 0.0


def sound(film: Film, plan: dict[str, Any]) -> list[Check]:
    """The voice stands clear of the gaps, and the gaps are not silent: the bed is heard in them."""
    gaps = [loudness(film, *gap) for gap in plan["gaps"]]
    checks = [Check("between the lines", "a quiet bed", decibels(gaps), min(gaps) > -60)] if gaps else []
    if plan["narration"]:
        lines = [loudness(film, *line) for line in plan["narration"]]
        clear = min(lines) > -40 and (not gaps or min(lines) > max(gaps) + 4)
        checks.append(Check("narration", "well above the bed", decibels(lines), clear))
    return checks


def loudness(film: Film, start: float, end: float) -> float:
    """Root mean square between two times, in dB of full scale."""
    part = film.samples[int(start * RATE) : int(end * RATE)]
    return 20 * float(np.log10(max(np.sqrt(np.mean(np.square(part))), 1e-9))) if part.size else -180.0


def decibels(values: list[float]) -> str:
    """The softest and the loudest of some levels, for a person."""
    return f"{min(values):.0f} to {max(values):.0f} dB"


def main(arguments: list[str]) -> int:
    """Print every check; 0 when all agree."""
    film, plan = (Path(argument) for argument in arguments)
    checks = verify(film, json.loads(plan.read_text(encoding="utf-8")))
    for check in checks:
        print(f"{'ok   ' if check.agrees else 'WRONG'} {check.name}: {check.found} (planned: {check.planned})")
    return 0 if all(check.agrees for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
