"""The arguments of every ffmpeg that a film takes, against files that a person has read. No process runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpu_worker.media.probe import MediaInfo
from gpu_worker.timeline.picture import picture_arguments
from gpu_worker.timeline.plan import Film, Source, plan
from gpu_worker.timeline.sound import film_arguments
from shared.timeline import Timeline

GOLDEN = Path(__file__).parent.parent / "golden"
MEDIA = {
    "beach.mp4": MediaInfo("video", "mov", 8.0, 3840, 2160, 29.97, 0, 0, "hevc", 1, "aac", 2),
    "phone.mov": MediaInfo("video", "mov", 6.0, 1080, 1920, 60.0, 90, 1, "h264", 0, "aac", 6),
    "screen.webm": MediaInfo("video", "matroska", 4.0, 1280, 720, None, 0, 0, "vp9"),
    "photo.png": MediaInfo("image", "png_pipe", 0.0, 1024, 768, video_stream=0),
    "song.mp3": MediaInfo("audio", "mp3", 3.0, audio_stream=0, audio_codec="mp3", channels=2),
    "voice.wav": MediaInfo("audio", "wav", 2.0, audio_stream=0, audio_codec="pcm_s16le", channels=1),
}
TIMELINES = {
    "one_clip": {"clips": [{"url": "storage://uploads/beach.mp4"}]},
    "cuts_and_crossfades": {
        "clips": [
            {"url": "storage://uploads/beach.mp4", "start": 1.5, "end": 4, "transition": {"duration": 0.5}},
            {"url": "storage://uploads/phone.mov", "end": 3, "fit": "blur", "volume": 0.5},
            {"url": "storage://uploads/photo.png", "end": 2.5, "fit": "cover", "transition": {"duration": 1}},
            {"url": "storage://uploads/screen.webm", "start": 0.2},
        ],
        "captions": [{"text": "{\\an8}' :drawtext=text=x, [c0]; -i /etc/passwd", "start": 0.5, "end": 2}],
        "output": {"resolution": "1080p", "aspect_ratio": "9:16", "fps": 25},
    },
    "music_and_voices": {
        "clips": [
            {"url": "storage://uploads/photo.png", "end": 5},
            {"url": "storage://uploads/beach.mp4", "mute": True, "end": 4},
        ],
        "music": {"url": "storage://uploads/song.mp3", "volume": 0.4, "fade_in": 1, "fade_out": 20},
        "voiceover": [
            {"url": "storage://uploads/voice.wav", "start": 1.25},
            {"url": "storage://uploads/voice.wav", "start": 6, "volume": 2},
        ],
    },
    "music_without_ducking": {
        "clips": [{"url": "storage://uploads/photo.png", "end": 5}],
        "music": {"url": "storage://uploads/song.mp3", "duck": False},
        "voiceover": [{"url": "storage://uploads/voice.wav"}],
    },
}


def film(name: str) -> Film:
    sources = {f"storage://uploads/{file}": Source(Path("/in") / file, media) for file, media in MEDIA.items()}
    return plan(Timeline.model_validate(TIMELINES[name]), sources)


def legible(arguments: list[str]) -> str:
    return "".join(f"{argument}\n" for argument in arguments).replace(";", ";\n")


@pytest.mark.parametrize("name", TIMELINES)
def test_picture(name: str) -> None:
    planned = film(name)
    captions = "captions0.ass" if planned.captions else None
    arguments = picture_arguments(planned, planned.pieces, captions, "picture0.mp4")
    assert legible(arguments) == (GOLDEN / f"{name}.picture.txt").read_text()


@pytest.mark.parametrize("name", TIMELINES)
def test_sound(name: str) -> None:
    arguments = film_arguments(film(name), ["-i", "picture0.mp4"], "film.mp4")
    assert legible(arguments) == (GOLDEN / f"{name}.film.txt").read_text()


def test_no_word_of_a_person_is_ever_an_argument() -> None:
    planned = film("cuts_and_crossfades")
    arguments = picture_arguments(planned, planned.pieces, "captions0.ass", "picture0.mp4")
    assert "passwd" not in legible([*arguments, *film_arguments(planned, [], "film.mp4")])
