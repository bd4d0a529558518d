"""Which of a job's params are addresses."""

from __future__ import annotations

from gpu_worker.inputs import references
from shared.job_types import parse_params

PHOTO, SONG = "storage://uploads/photo.jpg", "https://example.org/song.mp3"


def test_names_the_first_field_of_each_address() -> None:
    timeline = {
        "clips": [{"url": PHOTO}, {"url": "storage://uploads/b.mp4"}, {"url": PHOTO}],
        "music": {"url": SONG},
        "voiceover": [{"url": SONG, "start": 1}],
    }
    assert references(parse_params("EXPORT", timeline)) == {
        PHOTO: "clips[0].url",
        "storage://uploads/b.mp4": "clips[1].url",
        SONG: "music.url",
    }


def test_finds_lists_and_optional_fields() -> None:
    images = [f"storage://uploads/{n}.jpg" for n in range(5)]
    assert references(parse_params("TRAIN_TWIN", {"images": images, "name": "ada"})) == {
        image: f"images[{n}]" for n, image in enumerate(images)
    }
    spoken = {"text": "hello", "reference_audio_url": SONG}
    assert references(parse_params("TTS", spoken)) == {SONG: "reference_audio_url"}
    assert references(parse_params("TTS", {"text": "hello"})) == {}


def test_text_that_looks_like_an_address_is_text() -> None:
    assert references(parse_params("RENDER", {"prompt": PHOTO})) == {}
