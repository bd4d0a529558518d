"""The graph of a chunk, against files that a person has read. No process runs.

`python tests/unit/test_export_pictures_golden.py` writes them anew.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gpu_worker.media.graph import arguments, output
from gpu_worker.media.probe import MediaInfo
from gpu_worker.timeline.film import Chunk, Film, Layer, Shot, Source
from gpu_worker.timeline.pictures import chunk_stream
from gpu_worker.timeline.pictures.spans import laid_out, pieces
from shared.timeline import Area, Clip, Effect, Freeze, Look, Overlay

GOLDEN = Path(__file__).parent.parent / "golden"
URL = "storage://uploads/a.mp4"
HOSTILE = "/in/a'; [0:v]movie=x,drawtext.mp4"


def source(path: str, *, kind: str = "video", **rest: object) -> Source:
    base = MediaInfo("video", "mov", 60.0, 1920, 1080, 30.0, video_stream=0, video_codec="h264")
    return Source(Path(path), MediaInfo(**{**base.__dict__, "kind": kind, **rest}))  # type: ignore[arg-type] # a table of fields


BEACH = source("/in/beach.mp4")
PHONE = source("/in/phone.mov", width=1080, height=1920, fps=60.0, rotation=90, audio_codec="aac", audio_stream=1)
HDR = source("/in/hdr.mp4", matrix="bt2020", primaries="bt2020", transfer="smpte2084", video_codec="hevc")
TAPE = source(
    "/in/tape.avi",
    container="avi",
    width=720,
    height=576,
    pixel_aspect=64 / 45,
    matrix="bt601",
    interlaced=True,
    video_codec="mpeg4",
)
PHOTO = source(
    "/in/photo.png", kind="image", container="png_pipe", duration=0.0, width=4000, height=3000, video_codec="png"
)
LOGO = source(
    "/in/logo.png",
    kind="image",
    container="png_pipe",
    duration=0.0,
    width=400,
    height=200,
    alpha=True,
    video_codec="png",
)
GIF = source("/in/loop.gif", container="gif", duration=1.0, width=100, height=100, alpha=True, video_codec="gif")


def shot(
    media: Source | None, frames: int, overlap: int = 0, name: str = "fade", fit: str = "contain", **clip: object
) -> Shot:
    made = Clip.model_validate({"url": URL, **clip})
    return Shot(media, made, 1.5, frames / 30, frames, overlap, name, fit)  # type: ignore[arg-type] # a literal


FILMS: dict[str, Film] = {
    "one_clip": Film(1280, 720, 30, (shot(BEACH, 90),)),
    "hostile_name": Film(1280, 720, 30, (shot(source(HOSTILE), 90),)),
    "cuts_and_transitions": Film(
        1080, 1920, 30,
        (
            shot(BEACH, 90, 15), shot(PHONE, 90, 30, "wipeleft", "blur", position="top"), shot(BEACH, 60),
            Shot(None, None, 0.0, 0.0, 10), shot(PHOTO, 60, fit="cover", motion="ken_burns"),
        ),
    ),
    "every_kind_of_source": Film(
        1280, 720, 25,
        (
            shot(HDR, 50), shot(TAPE, 50, background="#20406080"), shot(LOGO, 50, background="#ffffff"),
            shot(PHONE, 50, rotate=90, flip="horizontal", crop=Area(x=0.1, width=0.5), fit="cover"),
        ),
    ),
    "speed_reverse_freeze_effects": Film(
        1280, 720, 30,
        (
            shot(BEACH, 60, speed=2.5, effects=("vignette", Effect(type="grain"), "fade_in")),
            shot(BEACH, 60, reverse=True),
            Shot(BEACH, Clip(url=URL, freeze=Freeze(duration=1)), 1.5, 2.0, 90, hold_at=20, held=30),
        ),
    ),
    "layers_and_look": Film(
        1280, 720, 30, (shot(BEACH, 300),),
        (
            Layer(30, 60, PHONE, shot(PHONE, 60, 15, background="#00000000")),
            Layer(75, 60, BEACH, shot(BEACH, 60)),
            Layer(0, 300, LOGO, Overlay(url=URL, opacity=0.6, fade_in=0.5, fade_out=1)),
            Layer(100, 200, GIF, Overlay(url=URL, loop=True, position="bottom_left")),
        ),
        look=Look(style="cinematic", saturation=1.2, lut_url=URL, lut_strength=0.5), lut=Path("/in/mine; drop.cube"),
    ),
}  # fmt: skip


def legible(name: str) -> str:
    film = FILMS[name]
    chunk = Chunk(0, tuple(pieces(film, laid_out(film.shots), 0, film.frames)))
    made = arguments(output([chunk_stream(film, chunk, "words0.ass")], "part.mp4", f="mp4"))
    return "".join(f"{argument}\n" for argument in made).replace(";[", ";\n[")


@pytest.mark.parametrize("name", FILMS)
def test_graph(name: str) -> None:
    assert legible(name) == (GOLDEN / f"export_pictures_{name}.txt").read_text()


def test_no_name_of_a_file_enters_a_filter() -> None:
    for name in FILMS:
        graph = legible(name).partition("-filter_complex")[2]
        assert "/in/" not in graph
        assert "drop" not in graph


if __name__ == "__main__":
    for name in FILMS:
        (GOLDEN / f"export_pictures_{name}.txt").write_text(legible(name))
