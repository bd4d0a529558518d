"""The films of the benchmark as timelines, their urls paths of local files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.export.sources import MIXED, Scale

Timeline = dict[str, Any]
FPS = 30
CROSSFADE = 0.5
CAPTIONS = 10
CUT_AT = 1.37
LOUDNESS = -14


def mixed(scale: Scale, folder: Path) -> Timeline:
    """T1: five mixed clips with crossfades, captions, a warm look, ducked music under a voice, set to a loudness."""
    clips = []
    for name in MIXED:
        start = round(scale.clip_seconds / 8, 3)
        clip = {"url": str(folder / name), "start": start, "end": start + scale.clip_seconds}
        clips.append({**clip, "transition": {"type": "crossfade", "duration": CROSSFADE}})
    seconds = mixed_seconds(scale)
    return {
        "clips": clips,
        "captions": captions(CAPTIONS, seconds),
        "style": "warm",
        "music": {"url": str(folder / "music.mp3")},
        "voiceover": [{"url": str(folder / "voice.wav"), "start": 1}],
        "sound": {"loudness": LOUDNESS},
        "output": {**mixed_size(scale), "fps": FPS},
    }


def mixed_seconds(scale: Scale) -> float:
    """How long T1 is."""
    return len(MIXED) * scale.clip_seconds - (len(MIXED) - 1) * CROSSFADE


def mixed_size(scale: Scale) -> dict[str, int]:
    """The frame of T1."""
    width, height = scale.size(1080, 1920).split("x")
    return {"width": int(width), "height": int(height)}


def alike(scale: Scale, folder: Path, **output: str) -> Timeline:
    """T2: clips of one kind, cut away from their key frames and put together as they are."""
    clips = [
        {"url": str(folder / f"alike{n}.mp4"), "start": CUT_AT, "end": CUT_AT + scale.copied_seconds}
        for n in range(scale.copied_clips)
    ]
    width, height = (int(side) for side in scale.size(1280, 720).split("x"))
    return {"clips": clips, "output": {"width": width, "height": height, "fps": FPS, **output}}


def captioned(scale: Scale, folder: Path, count: int) -> Timeline:
    """T2's clips encoded anew, with so many captions one after the other."""
    timeline = alike(scale, folder, smart_cut="off")
    seconds = scale.copied_clips * scale.copied_seconds
    return timeline | {"captions": captions(count, seconds)}


def many(scale: Scale, folder: Path) -> Timeline:
    """T1's clips over and over, each for a second, with crossfades."""
    short = [
        {"url": str(folder / MIXED[n % len(MIXED)]), "start": 0.1 * (n % 7), "end": 0.1 * (n % 7) + 1}
        for n in range(scale.many_clips)
    ]
    clips = [{**clip, "transition": {"type": "crossfade", "duration": 0.3}} for clip in short]
    return {"clips": clips, "output": {**mixed_size(scale), "fps": FPS}}


def captions(count: int, seconds: float) -> list[dict[str, Any]]:
    """So many lines side by side, over the whole film."""
    step = seconds / count if count else 0.0
    return [{"text": f"Caption number {n}", "start": n * step, "end": (n + 1) * step} for n in range(count)]
