"""The inputs of the benchmark, drawn by ffmpeg's own test sources and kept in a folder until it is thrown away."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from gpu_worker.media.ffmpeg import ffmpeg_path

TONE = "sine=frequency={hertz}:sample_rate=48000"
# A kick on every beat of 124 to the minute, and a soft chord under it.
MUSIC = "0.5*sin(2*PI*55*t)*exp(-18*mod(t\\,60/124))+0.08*sin(2*PI*220*t)+0.06*sin(2*PI*277*t)"
# Bursts of 1.5 s with pauses of one second.
VOICE = "0.4*sin(2*PI*180*t)*(0.6+0.4*sin(2*PI*5*t))*lt(mod(t\\,2.5)\\,1.5)"


@dataclass(frozen=True)
class Scale:
    """How large the benchmark is: frames are `divided` by this, and clips are shown for these seconds."""

    divided: int
    clip_seconds: float
    copied_seconds: float
    copied_clips: int
    many_clips: int

    def size(self, width: int, height: int) -> str:
        """As ffmpeg spells it."""
        return f"{width // self.divided // 2 * 2}x{height // self.divided // 2 * 2}"


FULL = Scale(divided=1, clip_seconds=6.4, copied_seconds=6.0, copied_clips=10, many_clips=200)
QUICK = Scale(divided=4, clip_seconds=1.6, copied_seconds=3.0, copied_clips=4, many_clips=20)
MIXED = ("wide24.mp4", "wide30.mp4", "tall60.mp4", "uhd.mp4", "vfr.mp4")
X264 = ["-c:v", "libx264", "-pix_fmt", "yuv420p"]


def mixed_sources(scale: Scale, folder: Path) -> None:
    """T1: five clips of different sizes, rates and sounds, music and a voice."""
    seconds = scale.clip_seconds * 1.25
    fast = [*X264, "-preset", "veryfast", "-crf", "18", "-t", f"{seconds}"]
    size = scale.size
    pictures = {
        "wide24.mp4": (f"mandelbrot=size={size(1280, 720)}:rate=24", 2),
        "wide30.mp4": (f"testsrc2=size={size(1920, 1080)}:rate=30", 2),
        "tall60.mp4": (f"testsrc2=size={size(1080, 1920)}:rate=60,hue=h=90", 1),
        "uhd.mp4": (f"testsrc2=size={size(3840, 2160)}:rate=30,hue=h=200", 6),
        "vfr.mp4": (f"mandelbrot=size={size(1280, 720)}:rate=60:start_scale=1,select=gt(random(7)\\,0.5)", 0),
    }
    for n, (name, (picture, channels)) in enumerate(pictures.items()):
        sound = ["-f", "lavfi", "-i", TONE.format(hertz=220 + 110 * n), "-c:a", "aac", "-ac", str(channels)]
        rate = ["-fps_mode", "vfr"] if name == "vfr.mp4" else []
        _draw(folder / name, ["-f", "lavfi", "-i", picture, *(sound if channels else []), *rate, *fast])
    _draw(folder / "music.mp3", ["-f", "lavfi", "-i", f"aevalsrc={MUSIC}:d=20:s=48000", "-ac", "2"])
    _draw(folder / "voice.wav", ["-f", "lavfi", "-i", f"aevalsrc={VOICE}:d={4 * scale.clip_seconds}:s=48000"])


def alike_sources(scale: Scale, folder: Path) -> None:
    """T2: clips of the same size, rate and codec parameters, with a key frame every second."""
    seconds = scale.copied_seconds + 4
    for n in range(scale.copied_clips):
        kind = f"mandelbrot=start_scale={3 / (n + 1):.3f}" if n % 2 else f"testsrc2=alpha={255 - n}"
        picture = f"{kind}:rate=30:size={scale.size(1280, 720)},hue=h={36 * n},format=yuv420p"
        sound = ["-f", "lavfi", "-i", TONE.format(hertz=200 + 50 * n), "-c:a", "aac", "-ac", "2"]
        encoding = [*X264, "-preset", "medium", "-g", "30", "-t", f"{seconds}", "-bf", "3"]
        _draw(folder / f"alike{n}.mp4", ["-f", "lavfi", "-i", picture, *sound, *encoding])


def _draw(path: Path, arguments: list[str]) -> None:
    if path.exists():
        return
    made = path.with_stem(f"{path.stem}-new")
    subprocess.run([str(ffmpeg_path()), "-v", "error", "-nostdin", "-y", *arguments, str(made)], check=True)
    made.rename(path)
