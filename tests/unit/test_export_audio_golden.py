"""The graphs of a film's sound, against files that a person has read. No process runs.

`python tests/unit/test_export_audio_golden.py` writes them anew.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gpu_worker.media.graph import Output, arguments
from gpu_worker.media.loudness import RATE, limited, metered, steered
from gpu_worker.media.probe import MediaInfo
from gpu_worker.timeline.audio.files import finished, kept
from gpu_worker.timeline.audio.mix import mixed, whole
from gpu_worker.timeline.audio.steps import scheme
from gpu_worker.timeline.film import Film, Shot, Sound, Source
from shared.timeline import SoundMix

GOLDEN = Path(__file__).parent.parent / "golden"


def source(path: str, container: str, codec: str, channels: int, stream: int = 0) -> Source:
    media = MediaInfo("audio", container, 60.0, audio_stream=stream, audio_codec=codec, channels=channels)
    return Source(Path(path), media)


BEACH = source("/in/beach.mp4", "mov", "aac", 2, stream=1)
PHONE = source("/in/phone.mov", "mov", "aac", 1, stream=1)
CINEMA = source("/in/cinema.mkv", "matroska", "ac3", 6, stream=2)
SONG = source("/in/song.mp3", "mp3", "mp3", 2)
SPEECH = source("/in/speech.ogg", "ogg", "opus", 1)
HOSTILE = source("/in/a'; [0:a]amovie=x,volume.mp3", "mp3", "mp3", 2)
SECOND = RATE


def film(seconds: int, *sounds: Sound, **mix: float | bool) -> Film:
    shots = (Shot(None, None, 0.0, 0.0, seconds * 30),)
    return Film(1280, 720, 30, shots, sounds=sounds, mix=SoundMix.model_validate(mix))


FILMS: dict[str, Film] = {
    "silence": film(3),
    "hostile_name": film(3, Sound(HOSTILE, "clip", 0, 3 * SECOND)),
    "crossfade_of_clips": film(
        9,
        Sound(BEACH, "clip", 0, 5 * SECOND, 2.0, 7.0, fade_out=SECOND // 2),
        Sound(PHONE, "clip", 5 * SECOND - SECOND // 2, 2 * SECOND, 0.1, 2.1, fade_in=SECOND // 2),
        Sound(CINEMA, "clip", 7 * SECOND, 2 * SECOND, 30.0, 32.0, volume=0.5),
    ),
    "speed_and_reverse": film(
        9,
        Sound(BEACH, "clip", 0, 2 * SECOND, 1.0, 6.0, speed=2.5),
        Sound(PHONE, "clip", 2 * SECOND, 4 * SECOND, 1.0, 2.0, speed=0.25),
        Sound(BEACH, "clip", 6 * SECOND, 3 * SECOND, 1.0, 4.0, reverse=True),
    ),
    "music_steps_back": film(
        150,
        Sound(BEACH, "clip", 0, 5 * SECOND, 0.0, 5.0),
        Sound(SPEECH, "voice", SECOND, 3 * SECOND, 0.0, 3.0),
        Sound(SONG, "music", 0, 150 * SECOND, 5.0, 60.0, 0.3, loop=True, fade_in=24_000, fade_out=72_000, duck=0.7),
        loudness=-14,
    ),
    "many_clips_steered": film(
        18, *(Sound(BEACH, "clip", n * 2 * SECOND, 2 * SECOND, n, n + 2.0) for n in range(9)), loudness=-23, exact=False
    ),
}  # fmt: skip


def legible(name: str) -> str:
    made = FILMS[name]
    plan = scheme(made)
    outputs = [kept(mixed(step.parts, step.mixed.at, step.mixed.samples), step.mixed.name) for step in plan.steps]
    outputs.append(_last(made))
    return "\n".join(_lines(one) for one in outputs)


def _last(made: Film) -> Output:
    mix = whole(made, scheme(made).buses)
    if made.mix.loudness is None:
        return finished(metered(limited(mix, made.mix), "loudness.txt"), "sound.flac")
    if made.mix.exact:
        return kept(metered(mix, "loudness.txt", peak=False), "mix.flac")
    return finished(metered(steered(mix, made.mix), "loudness.txt"), "sound.flac")


def _lines(one: Output) -> str:
    return "".join(f"{argument}\n" for argument in arguments(one)).replace(";[", ";\n[")


@pytest.mark.parametrize("name", FILMS)
def test_graph(name: str) -> None:
    assert legible(name) == (GOLDEN / f"export_audio_{name}.txt").read_text()


def test_no_name_of_a_file_enters_a_filter() -> None:
    for name in FILMS:
        for graph in legible(name).split("-filter_complex")[1:]:
            filters = graph.partition("-map")[0]
            assert "/in/" not in filters
            assert "amovie" not in filters


def test_every_file_of_a_person_is_opened_as_what_it_is() -> None:
    for name in FILMS:
        lines = legible(name).splitlines()
        for at, line in enumerate(lines):
            if line.startswith("file:/in/"):
                options = lines[max(0, at - 14) : at]
                assert {"-codec_whitelist", "-f", "-protocol_whitelist", "file,pipe"} <= set(options)


if __name__ == "__main__":
    for name in FILMS:
        (GOLDEN / f"export_audio_{name}.txt").write_text(legible(name))
