"""Films planned from files that exist only as what a probe would say of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gpu_worker.media.probe import MediaInfo
from gpu_worker.timeline.film import Film, Source
from gpu_worker.timeline.planner import plan
from shared.timeline import Caption, Timeline

MEDIA = {
    "video": MediaInfo("video", "mov", 10.0, 1280, 720, 24.0, video_stream=0, audio_stream=1),
    "silent": MediaInfo("video", "mov", 2.0, 1280, 720, 24.0, video_stream=0),
    "long": MediaInfo("video", "mov", 40_000.0, 1280, 720, 24.0, video_stream=0, audio_stream=1),
    "still": MediaInfo("image", "png_pipe", 0.0, 1280, 720, video_stream=0),
    "ribbon": MediaInfo("image", "png_pipe", 0.0, 9000, 10, video_stream=0),
    "song": MediaInfo("audio", "mp3", 60.0, audio_stream=0),
}


def url(name: str) -> str:
    return f"storage://uploads/{name}"


SOURCES = {url(name): Source(Path(f"/in/{name}"), media) for name, media in MEDIA.items()}


def at(name: str, **rest: Any) -> dict[str, Any]:
    return {"url": url(name), **rest}


def planned(*clips: dict[str, Any], subtitles: tuple[Caption, ...] = (), **rest: Any) -> Film:
    """The film of a timeline in the simple form, or of the tracks in `rest`."""
    timeline = Timeline.model_validate({"clips": clips, **rest} if clips else rest)
    return plan(timeline, SOURCES, subtitles)


def track(*items: dict[str, Any], kind: str = "video", **rest: Any) -> dict[str, Any]:
    return {"type": kind, "items": items, **rest}
