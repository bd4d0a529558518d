"""How long it takes to check and to plan large timelines: `python -m benchmarks.planning`. CPU seconds."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from gpu_worker.media.probe import MediaInfo
from gpu_worker.timeline.film import Source
from gpu_worker.timeline.planner import plan
from shared.timeline import Timeline

URL = "storage://uploads/source.mp4"
MEDIA = MediaInfo("video", "mov", 40_000.0, 1280, 720, 30.0, video_stream=0, audio_stream=1)


def three_hours() -> dict[str, Any]:
    """500 clips with crossfades and 2,000 captions."""
    clips = [{"url": URL, "start": n, "end": n + 22, "transition": {"duration": 0.4}} for n in range(500)]
    captions = [{"text": f"Line {n}", "start": 5 * n, "end": 5 * n + 4} for n in range(2000)]
    return {"clips": clips, "captions": captions}


def ten_thousand_clips() -> dict[str, Any]:
    """20 tracks of 500 clips that fade into one another."""
    items = [
        {"url": URL, "at": 20 * n, "start": n, "end": n + 20.4, "transition": {"duration": 0.4}} for n in range(500)
    ]
    return {"tracks": [{"type": "video", "items": items}] * 20}


def main() -> None:
    """Print a line for each timeline."""
    for build in (three_hours, ten_thousand_clips):
        written = build()
        started = time.process_time()
        timeline = Timeline.model_validate(written)
        checked = time.process_time()
        film = plan(timeline, {URL: Source(Path("source.mp4"), MEDIA)})
        done = time.process_time()
        words = f"{build.__name__}: {film.duration / 3600:.2f} h, {len(film.shots) + len(film.layers)} shots"
        sys.stdout.write(f"{words}: checked in {checked - started:.3f} s, planned in {done - checked:.3f} s\n")


if __name__ == "__main__":
    main()
