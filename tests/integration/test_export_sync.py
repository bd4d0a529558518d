"""Ten minutes of film by a whole EXPORT: every flash comes with its click, whatever the clips' own rates are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from gpu_worker.context import JobContext
from gpu_worker.job_types import export
from gpu_worker.media.ffmpeg import run_ffmpeg
from shared.job_types import ExportParams

RATE, CLICK_HERTZ = 48_000, 880
CLIP_SECONDS, CROSSFADE, CLIPS = 50.5, 0.5, 12
# A name, frames a second as ffmpeg writes them, seconds between flashes (whole frames), and how it is stored.
FILES: dict[str, tuple[str, float, list[str]]] = {
    "film30.mp4": ("30", 1.0, ["-c:a", "aac"]),
    "pal.mp4": ("25", 1.0, ["-c:a", "aac", "-ar", "44100", "-ac", "1"]),
    "ntsc.mov": ("30000/1001", 1.001, ["-c:a", "pcm_s16le", "-ar", "32000"]),
    "fast.mkv": ("60", 1.0, ["-c:a", "libopus"]),
    "variable.mp4": ("60", 1.0, ["-c:a", "aac", "-fps_mode", "vfr"]),
}
Samples = NDArray[np.float64]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Clappers: black with a white flash of 50 ms and a click at every beginning of a period."""
    folder = tmp_path / "media"
    folder.mkdir()
    for name, (rate, period, options) in FILES.items():
        number = f"mod(n,{round(period * eval_rate(rate))})"
        picture = f"color=black:s=160x90:r={rate}:d=70,format=yuv420p,geq=lum='16+200*lt({number.replace('n', 'N')},3)'"
        if name == "variable.mp4":
            # Two thirds of the frames are missing, but never those of a flash.
            picture += f",select='lt({number},4)+gt(random(7),0.66)'"
        sound = f"aevalsrc='0.5*sin({CLICK_HERTZ}*2*PI*t)*lt(mod(t,{period}),0.05)+0.05*sin(110*2*PI*t)':s=48000:d=70"
        fast = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
        run_ffmpeg(["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, *fast, *options, name], duration=70,
                   folder=folder)  # fmt: skip
    return folder


def eval_rate(rate: str) -> float:
    """`30000/1001` as a number."""
    above, _, below = rate.partition("/")
    return float(above) / float(below or 1)


def clip(n: int) -> dict[str, Any]:
    """A clip that begins between two frames, the fifth of them faster than its file."""
    name, start, speed = list(FILES)[n % len(FILES)], 1.37 + 0.213 * n, 1.25 if n == 4 else 1.0
    return {
        "url": f"storage://uploads/{name}", "start": start, "end": start + CLIP_SECONDS * speed, "speed": speed,
        "transition": {"type": "crossfade", "duration": CROSSFADE},
    }  # fmt: skip


def flashes(path: Path) -> list[float]:
    """Seconds at which the picture turns white."""
    found, before = [], True
    with av.open(str(path)) as file:
        for frame in file.decode(video=0):
            white = float(frame.to_ndarray(format="gray").mean()) > 110
            if white and not before:
                found.append(float(frame.time or 0))
            before = white
    return found


def clicks(path: Path) -> list[float]:
    """Seconds at which a click begins."""
    with av.open(str(path)) as file:
        blocks = list(file.decode(audio=0))
        samples = np.concatenate([block.to_ndarray()[0] for block in blocks])
        first = float(blocks[0].time or 0)
    # The click alone, without the hum that the film is levelled by; it begins where a window of 5 ms is half full.
    turned = samples * np.exp(-2j * np.pi * CLICK_HERTZ * np.arange(len(samples)) / RATE)
    level = np.abs(np.convolve(turned, np.ones(RATE // 200), mode="same"))
    usual = np.median(level[: len(level) // RATE * RATE].reshape(-1, RATE).max(axis=1))
    loud = np.flatnonzero(level > usual / 2)
    beginnings = loud[np.flatnonzero(np.diff(loud, prepend=-RATE) > RATE // 5)]
    return [first + float(n) / RATE for n in beginnings]


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_sound_and_picture_stay_within_20_ms_for_ten_minutes(files: Path, tmp_path: Path) -> None:
    timeline = {
        "clips": [clip(n) for n in range(CLIPS)],
        "captions": [{"text": "Sync", "start": 30, "end": 40}],
        "output": {"width": 160, "height": 90, "fps": 30, "quality": "draft"},
    }
    folder = tmp_path / "job"
    folder.mkdir()
    inputs = {f"storage://uploads/{name}": files / name for name in FILES}
    context = JobContext(workdir=folder, inputs=inputs, report=lambda *_: None)
    film = export.run(ExportParams.model_validate(timeline), context).files[0]
    assert film.duration_seconds == pytest.approx(CLIPS * CLIP_SECONDS - (CLIPS - 1) * CROSSFADE, abs=0.001)
    seams = np.arange(CLIPS + 1) * (CLIP_SECONDS - CROSSFADE)
    heard = np.array(clicks(film.path))
    # Where two clips show at once, no flash is all white.
    seen = [at for at in flashes(film.path) if not np.any((seams - 0.2 < at) & (at < seams + CROSSFADE + 0.2))]
    assert len(seen) > 550
    assert max(seen) > 595
    late = [float((at - heard)[np.abs(at - heard).argmin()]) for at in seen]
    assert max(map(abs, late)) <= 0.020, f"picture minus sound: {min(late):.4f} to {max(late):.4f} s"
