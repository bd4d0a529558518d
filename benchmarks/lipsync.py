"""How fast a face is made to speak: Wav2Lip and its face detector at full width with random weights, film to film.

make bench-gpu                               prints it after the video models
python -m benchmarks.lipsync --tiny          the same path, narrow and small, on any machine
"""

from __future__ import annotations

import argparse
import datetime
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks import drawn
from gpu_worker.context import JobContext
from gpu_worker.engines.device import name_of
from gpu_worker.engines.lipsync.film import Ready, make
from gpu_worker.engines.pool import pool_of
from gpu_worker.models.store import Weights
from shared.catalog import catalog
from shared.job_types import LipsyncParams

_VIDEO, _SOUND = "storage://uploads/person.mp4", "storage://uploads/speech.wav"


@dataclass(frozen=True)
class Scale:
    """The film, and the widths of both networks."""

    size: tuple[int, int]
    seconds: int
    lips_base: int
    detector_base: int


FULL = Scale((1920, 1080), 30, 16, 64)
TINY = Scale((320, 180), 2, 2, 4)
FPS = 25


def measure(device: str, scale: Scale) -> dict[str, Any]:
    """Frames a second of the whole job and of its two passes, after a short one that warms up."""
    with tempfile.TemporaryDirectory(prefix="rushes-bench-") as name:
        folder = Path(name)
        drawn.write_weights(folder / "weights", scale.lips_base, scale.detector_base)
        ready = Ready(catalog()["wav2lip"], device, Weights(folder / "weights", None, "folder"))
        _run(folder, ready, scale, 1)
        engine = _run(folder, ready, scale, scale.seconds)
        pool_of(device).evict_idle()
    timings, frames = engine["timings"], engine["frames"]
    return {
        "card": name_of(device), "width": scale.size[0], "height": scale.size[1], "frames": frames,
        "batch": engine["batch"], "peak_gb": engine.get("peak_gb"),
        "finding": frames / timings["find"], "painting": frames / timings["paint"],
        "both": frames / (timings["find"] + timings["paint"] + timings["encode"]),
    }  # fmt: skip


def report(row: dict[str, Any]) -> None:
    """One table in Markdown."""
    print(
        f"\n{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, {row['card']}, torch {torch.__version__}: Wav2Lip,", end=""
    )
    print(f" {row['frames']} frames {row['width']}x{row['height']}, decoding and encoding included, random weights.\n")
    print("| frames a second | finding faces | painting mouths | batch | peak GB |\n|---|---|---|---|---|")
    peak = f"{row['peak_gb']:.1f}" if row["peak_gb"] else ""
    print(f"| {row['both']:.1f} | {row['finding']:.1f} | {row['painting']:.1f} | {row['batch']} | {peak} |")


def _run(folder: Path, ready: Ready, scale: Scale, seconds: int) -> dict[str, Any]:
    film, sound, work = folder / "person.mp4", folder / "speech.wav", folder / "work"
    # The detector that is set by hand sees faces of 72 pixels in a picture of 640.
    seen = round(drawn.FACE_PIXELS * max(scale.size) / min(640, max(scale.size)))
    drawn.write_film(film, drawn.swaying(scale.size, seconds * FPS, seen), FPS)
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((drawn.speech(seconds) * 32000).astype("<i2").tobytes())
    work.mkdir(exist_ok=True)
    context = JobContext(work, {_VIDEO: film, _SOUND: sound}, lambda *_: None)
    return make(LipsyncParams(video_url=_VIDEO, audio_url=_SOUND), context, ready).engine


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--tiny", action="store_true", help="narrow networks and a small film, on any machine")
    asked = parser.parse_args()
    report(measure("cuda" if torch.cuda.is_available() else "cpu", TINY if asked.tiny else FULL))


if __name__ == "__main__":
    main()
