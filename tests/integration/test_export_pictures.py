"""The picture of films as ffmpeg really makes it: every frame looked at as raw pixels, before any encoder."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from gpu_worker.media.ffmpeg import ffmpeg_path, run_ffmpeg
from gpu_worker.media.graph import arguments, output
from gpu_worker.media.probe import probe
from gpu_worker.timeline.film import Chunk, Film, Layer, Shot, Source
from gpu_worker.timeline.pictures import chunk_stream, write_lut
from gpu_worker.timeline.pictures.spans import laid_out, pieces
from shared.timeline import Area, Clip, Effect, Look, Motion, Overlay, Point
from shared.timeline.look import StyleName

URL = "storage://uploads/a.mp4"
WIDTH, HEIGHT = 160, 90
X264 = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "20", "-bf", "2"]
BARS = ["-f", "lavfi", "-i", "smptehdbars=size=160x90:rate=10:duration=1"]
Pixels = NDArray[np.uint8]


def counted(rate: str) -> list[str]:
    """A source whose every frame says its own number by its luma, 3 steps a frame so that no encoder blurs it."""
    number = "geq=lum='20+3*mod(N,70)':cb=128:cr=128"
    return ["-f", "lavfi", "-i", f"color=black:size=32x32:rate={rate}:duration=4,{number}", *X264, "-qp", "4"]


def moving(rate: str) -> list[str]:
    return ["-f", "lavfi", "-i", f"testsrc2=size=160x96:rate={rate}:duration=3", *X264]


def plain(colour: str, size: str = "160x90", rate: int = 30, seconds: float = 2) -> list[str]:
    return ["-f", "lavfi", "-i", f"color={colour}:size={size}:rate={rate}:duration={seconds}"]


VFR = ["-vf", "select='not(mod(floor(n*n/7),3))'", "-fps_mode", "vfr"]
FULL = ["-color_range", "pc"]
TAGS = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709"
TO_PQ = (
    "scale=out_color_matrix=bt709,format=yuv420p10le,zscale=tin=bt709:min=709:pin=709:rin=tv"
    ":t=smpte2084:p=2020:m=2020_ncl:r=tv:npl=203,format=yuv420p10le"
)
FILES: dict[str, list[str]] = {
    "24.mp4": counted("24"),
    "25.mkv": counted("25"),
    "30.mp4": counted("30"),
    "60.mkv": counted("60"),
    "ntsc.mp4": counted("30000/1001"),
    "a.avi": [*counted("30000/1001")[:4], "-c:v", "mpeg4", "-q:v", "2"],
    "m25.mp4": moving("25"),
    "m60.mkv": moving("60"),
    "vfr.mkv": [*moving("60")[:4], *VFR, *X264],
    "one.mp4": [*plain("red", rate=25, seconds=0.04), *X264],
    "red.mp4": [*plain("red"), *X264],
    "blue.mp4": [*plain("blue"), *X264],
    "tall.mp4": [*plain("lime", "90x160", seconds=1), *X264],
    "loop.gif": [*plain("yellow", "20x20", 5, 1), "-vf", "drawbox=c=red:t=fill:enable=gte(t\\,0.5)"],
    "tape.mp4": [*moving("50")[:4], "-vf", "interlace", "-flags", "+ilme+ildct", "-c:v", "libx264", "-g", "20"],
    "bars601.mp4": [*BARS, "-vf", "scale=out_color_matrix=bt601,format=yuv420p", *X264, "-qp", "4"],
    "bars709.mp4": [*BARS, "-vf", f"scale=out_color_matrix=bt709,format=yuv420p,{TAGS}", *X264, "-qp", "4"],
    "full.mp4": [*BARS, "-vf", "scale=out_color_matrix=bt601:out_range=pc,format=yuv420p", *FULL, *X264, "-qp", "4"],
    "deep.mov": [*BARS, "-vf", "scale=out_color_matrix=bt601,format=yuv422p10le", "-c:v", "prores_ks"],
    "odd.mkv": [*plain("lime", "171x95", 10, 1), "-vf", "format=yuv444p", "-c:v", "libx264"],
    "pq.mp4": [*BARS, "-vf", TO_PQ, "-c:v", "libx265", "-x265-params", "log-level=error:crf=8"],
    "ghost.webm": [*plain("white", "64x36", 10, 1), "-vf", "format=yuva420p,lutyuv=a=128", "-c:v", "libvpx-vp9",
                   "-auto-alt-ref", "0"],
}  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    for name, made in FILES.items():
        run_ffmpeg([*made, name], duration=1, folder=folder)
    turn = ["-display_rotation", "90", "-i", "bars601.mp4", "-c", "copy", "turned.mp4"]
    # Not every ffmpeg of a machine can write a rotation; the packaged one can.
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *turn], cwd=folder, check=True)
    logo = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    ImageDraw.Draw(logo).rectangle((0, 0, 19, 39), (255, 255, 255, 255))
    logo.save(folder / "logo.png")
    Image.effect_noise((640, 360), 80).convert("RGB").save(folder / "photo.png")
    return folder


def source(files: Path, name: str) -> Source:
    media = probe(files / name)
    return Source(files / name, replace(media, alpha=media.alpha or name == "logo.png"))


def shot(found: Source | None, frames: int, **rest: Any) -> Shot:
    clip = Clip.model_validate({"url": URL, **rest.pop("clip", {})})
    return Shot(found, clip, rest.pop("start", 0.0), rest.pop("seconds", frames / 30), frames, **rest)


def film(*shots: Shot, fps: int = 30, size: tuple[int, int] = (WIDTH, HEIGHT), **rest: Any) -> Film:
    return Film(*size, fps, shots, **rest)


def raw(folder: Path, made: Film, first: int = 0, last: int | None = None, pixels: str = "yuv420p") -> list[bytes]:
    """The frames as one ffmpeg makes them."""
    last = made.frames if last is None else last
    chunk = Chunk(first, tuple(pieces(made, laid_out(made.shots), first, last)))
    assert chunk.frames == last - first
    command = arguments(output([chunk_stream(made, chunk, None)], "-", f="rawvideo", pix_fmt=pixels))
    run = subprocess.run([str(ffmpeg_path()), "-v", "error", "-nostdin", *command], capture_output=True, cwd=folder)
    assert run.returncode == 0, run.stderr
    size = made.width * made.height * 3 // (2 if pixels == "yuv420p" else 1)
    frames = [run.stdout[at : at + size] for at in range(0, len(run.stdout), size)]
    assert len(frames) == chunk.frames
    return frames


def rgb(folder: Path, made: Film) -> list[Pixels]:
    frames = raw(folder, made, pixels="rgb24")
    return [np.frombuffer(frame, np.uint8).reshape(made.height, made.width, 3) for frame in frames]


def near(pixel: Pixels, colour: tuple[int, int, int], within: int = 12) -> bool:
    return bool(np.abs(pixel.astype(int) - colour).max() <= within)


def numbers(folder: Path, made: Film) -> list[int]:
    """Which frame of a counted source each frame shows."""
    return [
        round((np.frombuffer(frame, np.uint8)[: made.width * made.height].mean() - 20) / 3)
        for frame in raw(folder, made)
    ]


def expected(rate: float, fps: int, frames: int, start: float = 0.0, speed: float = 1.0) -> list[int]:
    """The latest source frame a moment before the middle of each film frame."""
    return [int((start + (n + 0.5) * speed / fps - 0.0008) * rate) % 70 for n in range(frames)]


@pytest.mark.parametrize("fps", [24, 25, 30, 60])
@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("24.mp4", 24),
        ("25.mkv", 25),
        ("30.mp4", 30),
        ("60.mkv", 60),
        ("ntsc.mp4", 30000 / 1001),
        ("a.avi", 30000 / 1001),
    ],
)
def test_every_frame_shows_what_the_source_shows_then(files: Path, name: str, rate: float, fps: int) -> None:
    made = film(shot(source(files, name), fps, start=0.7), fps=fps, size=(32, 32))
    # mpeg4 in AVI blurs neighbours' numbers a little.
    off = np.array(numbers(files, made)) - expected(rate, fps, fps, 0.7)
    assert np.abs(off).max() == 0


def test_speed_reverse_and_freeze(files: Path) -> None:
    thirty = source(files, "30.mp4")

    def shown(**rest: Any) -> list[int]:
        return numbers(files, film(shot(thirty, rest.pop("frames", 20), start=0.5, **rest), size=(32, 32)))

    assert shown(clip={"speed": 2.0}) == expected(30, 30, 20, 0.5, 2.0)
    assert shown(clip={"speed": 0.25}) == expected(30, 30, 20, 0.5, 0.25)
    assert shown(clip={"reverse": True}) == expected(30, 30, 20, 0.5)[::-1]
    assert shown(frames=20, hold_at=5, held=8) == [*range(15, 20), *[20] * 8, *range(20, 27)]
    assert shown(frames=20, hold_at=12, held=8) == [*range(15, 27), *[26] * 8]


def test_a_file_that_ends_early_holds_its_last_picture_and_one_of_one_frame_lasts(files: Path) -> None:
    assert numbers(files, film(shot(source(files, "24.mp4"), 20, start=3.9), size=(32, 32)))[-1] == 95 % 70
    frames = rgb(files, film(shot(source(files, "one.mp4"), 20)))
    assert all(near(frame[45, 80], (255, 0, 0)) for frame in frames)


def grand_film(files: Path, fps: int) -> Film:
    """Everything that could depend on where a chunk begins."""

    def frames(seconds: float) -> int:
        return round(seconds * fps)

    def part(name: str | None, seconds: float, **rest: Any) -> Shot:
        return shot(source(files, name) if name else None, frames(seconds), seconds=seconds, **rest)

    photo_clip = {
        "motion": {"type": "ken_burns"},
        "effects": ["grain", "glow", "vignette", "sharpen", "pixelate", "color_shift"],
    }
    quick = {"speed": 1.5, "motion": "zoom_in", "effects": ["grain"]}
    shots = (
        part("m60.mkv", 1, overlap=frames(0.3), start=0.4, clip=quick),
        part("vfr.mkv", 1, overlap=frames(0.2), transition="dissolve", fit="blur", clip={"reverse": True}),
        part(
            "m25.mp4", 1, start=0.31, hold_at=frames(0.4), held=frames(0.3), clip={"effects": ["fade_in", "fade_out"]}
        ),
        part(None, 0.2),
        part("photo.png", 1, overlap=frames(0.3), transition="wipeleft", fit="cover", clip=photo_clip),
        part("tape.mp4", 1, start=0.5, clip={"rotate": 90, "flip": "horizontal"}),
        part("ghost.webm", 0.5, clip={"background": "#00ff00"}),
    )
    total = film(*shots, fps=fps).frames
    through = part("m60.mkv", 0.8, overlap=frames(0.3), clip={"background": "#00000000"})
    over_it = part("m25.mp4", 0.8, clip={"crop": {"x": 0.3, "width": 0.2}})
    logo = Overlay(url=URL, opacity=0.7, fade_in=0.5, fade_out=1)
    looped = Overlay(url=URL, loop=True, position="bottom_left")
    inset = Overlay(url=URL, loop=True, source_start=1.5, position=Point(x=0.8, y=0.7))
    layers = (
        Layer(frames(0.5), frames(0.8), source(files, "m60.mkv"), through),
        Layer(frames(0.5) + frames(0.8) - frames(0.3), frames(0.8), source(files, "m25.mp4"), over_it),
        Layer(frames(0.3), total - frames(0.5), source(files, "logo.png"), logo),
        Layer(frames(0.2), total - frames(0.2), source(files, "loop.gif"), looped),
        Layer(0, total, source(files, "vfr.mkv"), inset),
    )
    return film(*shots, fps=fps, layers=layers, look=Look(style="dreamy", contrast=1.1))


@pytest.mark.parametrize("fps", [24, 25, 30, 60])
def test_frames_made_chunk_by_chunk_are_those_made_in_one_go(files: Path, fps: int) -> None:
    made = grand_film(files, fps)
    spans = laid_out(made.shots)
    taboo = {place for before, after in pairwise(spans) for place in range(after.start + 1, before.end)}
    cuts = [place for place in range(7, made.frames, round(fps * 0.71)) if place not in taboo]
    edges = [0, *cuts, *(span.end for span in spans[:2]), spans[1].start, made.frames]
    whole = [hashlib.md5(frame).digest() for frame in raw(files, made)]
    for first, last in pairwise(sorted(set(edges))):
        part = [hashlib.md5(frame).digest() for frame in raw(files, made, first, last)]
        assert part == whole[first:last], (first, last)
    assert len(set(whole)) > made.frames * 0.8


@pytest.mark.parametrize(("name", "fps"), list(product(["vfr.mkv", "m60.mkv", "ntsc.mp4", "a.avi"], [24, 50])))
def test_every_single_frame_can_begin_a_chunk(files: Path, name: str, fps: int) -> None:
    made = film(shot(source(files, name), 12, start=1.013), fps=fps, size=(32, 32))
    whole = raw(files, made)
    assert [raw(files, made, n, n + 1)[0] for n in range(12)] == whole


def test_a_reversed_shot_in_pieces_is_the_same_as_in_one(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = film(
        shot(source(files, "m60.mkv"), 40, overlap=15, clip={"reverse": True}), shot(source(files, "m25.mp4"), 30)
    )
    whole = raw(files, made)
    monkeypatch.setattr("gpu_worker.timeline.pictures.spans._REVERSED_BYTES", 11 * WIDTH * HEIGHT * 3 // 2)
    assert len(pieces(made, laid_out(made.shots), 0, made.frames)) == 5
    assert raw(files, made) == whole


@pytest.mark.parametrize("name", ["fade", "fadeblack", "wipeleft", "circleopen", "dissolve", "zoomin"])
def test_a_transition_lies_in_its_frames_and_nowhere_else(files: Path, name: str) -> None:
    red, blue = source(files, "red.mp4"), source(files, "blue.mp4")
    frames = rgb(files, film(shot(red, 30, overlap=10, transition=name), shot(blue, 30)))
    assert len(frames) == 50
    assert all(near(frame[45, 80], (254, 0, 0)) for frame in frames[:21])
    assert all(near(frame[45, 80], (0, 0, 254)) for frame in frames[30:])
    middle = frames[25][45, 80].astype(int)
    match name:
        case "fade":
            assert near(frames[25][45, 80], (127, 0, 127), 10)
        case "fadeblack":
            assert middle.max() < 100
        case "wipeleft":
            assert near(frames[25][45, 40], (254, 0, 0))
            assert near(frames[25][45, 120], (0, 0, 254))


def test_colours_survive_every_kind_of_source(files: Path) -> None:
    # The second row of bars: 75 % white, cyan, green, red, blue, by their place in the picture.
    places = {30: (190, 190, 190), 66: (12, 208, 186), 80: (12, 220, 2), 115: (176, 0, 2)}
    for name in ("bars601.mp4", "bars709.mp4", "full.mp4", "deep.mov"):
        frame = rgb(files, film(shot(source(files, name), 3)))[1]
        for x, colour in places.items():
            assert near(frame[20, x], colour, 14), (name, x, frame[20, x])


def test_hdr_comes_out_as_bright_and_as_coloured_as_its_sdr_twin(files: Path) -> None:
    frame = rgb(files, film(shot(source(files, "pq.mp4"), 3)))[1].astype(int)
    grey, green = frame[20, 6], frame[20, 80]
    assert near(frame[20, 6], (102, 102, 102), 12), grey
    assert green[1] > 170
    assert green[1] > 3 * green[0]
    assert 210 <= frame[85, 55].min() <= frame[85, 55].max() <= 245


def test_turned_files_stand_upright(files: Path) -> None:
    frame = rgb(files, film(shot(source(files, "turned.mp4"), 3), size=(90, 160)))[1]
    # Turned to the left: what was on the right is on top.
    assert near(frame[135, 20], (190, 190, 190), 14)
    back = rgb(files, film(shot(source(files, "turned.mp4"), 3, clip={"rotate": 90})))[1]
    flat = rgb(files, film(shot(source(files, "bars601.mp4"), 3)))[1]
    assert np.abs(back.astype(int) - flat).mean() < 4


def test_interlaced_pictures_lose_their_combs(files: Path) -> None:
    def combs(made: Film) -> float:
        """How much lines differ from both neighbours, which agree with each other."""
        frame = np.frombuffer(raw(files, made)[8], np.uint8)[: 160 * 96].reshape(96, 160).astype(int)
        up, here, down = frame[:-2], frame[1:-1], frame[2:]
        return float(np.maximum(0, np.minimum(abs(here - up), abs(here - down)) - abs(up - down)).mean())

    tape = source(files, "tape.mp4")
    assert tape.media.interlaced
    untouched = replace(tape, media=replace(tape.media, interlaced=False))
    treated, plain = (combs(film(shot(one, 10), size=(160, 96))) for one in (tape, untouched))
    assert treated < plain / 2


def test_fits_and_places(files: Path) -> None:
    tall, odd = source(files, "tall.mp4"), source(files, "odd.mkv")
    lime, black = (0, 254, 0), (0, 0, 0)
    contained = rgb(files, film(shot(tall, 1)))[0]
    assert near(contained[45, 80], lime)
    assert near(contained[45, 10], black)
    left = rgb(files, film(shot(tall, 1, clip={"position": "left", "background": "#0000ff80"})))[0]
    assert near(left[45, 10], lime)
    assert near(left[45, 100], (0, 0, 128))
    assert near(rgb(files, film(shot(tall, 1, fit="cover")))[0][2, 2], lime)
    blurred = rgb(files, film(shot(source(files, "bars601.mp4"), 1, fit="blur"), size=(90, 160)))[0].astype(int)
    assert np.abs(np.diff(blurred[10], axis=0)).max() < 30
    assert np.abs(np.diff(blurred[80 - 10], axis=0)).max() > 60
    assert near(rgb(files, film(shot(odd, 1)))[0][45, 80], lime)


def test_a_covering_picture_shows_what_position_says(files: Path) -> None:
    bars = source(files, "bars601.mp4")
    left = rgb(files, film(shot(bars, 1, fit="cover", clip={"position": "left"}), size=(40, 90)))[0]
    right = rgb(files, film(shot(bars, 1, fit="cover", clip={"position": "right"}), size=(40, 90)))[0]
    assert near(left[20, 30], (190, 190, 190), 14)
    assert near(right[20, 5], (176, 0, 2), 20) or near(right[20, 12], (0, 0, 180), 20)


def test_a_crop_is_what_fills_the_frame(files: Path) -> None:
    area = {"x": 0.45, "y": 0.1, "width": 0.1, "height": 0.1}
    frame = rgb(files, film(shot(source(files, "bars601.mp4"), 1, fit="cover", clip={"crop": area})))[0]
    assert near(frame[45, 80], (12, 220, 2), 14)


def test_a_frame_thinner_than_any_picture_is_filled_all_the_same(files: Path, tmp_path: Path) -> None:
    made = film(shot(source(files, "red.mp4"), 2, fit="blur"), size=(4096, 64))
    assert len(raw(tmp_path, made)) == 2


def test_transparency_shows_the_background(files: Path) -> None:
    frame = rgb(files, film(shot(source(files, "ghost.webm"), 2, clip={"background": "#ff0000"})))[1]
    assert near(frame[45, 80], (255, 128, 128), 14)
    logo = rgb(files, film(shot(source(files, "logo.png"), 2, clip={"background": "#0000ff"})))[1]
    assert near(logo[45, 60], (255, 255, 255))
    assert near(logo[45, 100], (0, 0, 255), 20)
    assert near(logo[45, 5], (0, 0, 255), 20)


@pytest.mark.parametrize(("motion", "near_at_end"), [("zoom_in", True), ("zoom_out", False)])
def test_a_zoom_ends_nearer_or_farther(files: Path, motion: str, near_at_end: bool) -> None:
    move = {"type": motion, "strength": 1.0}
    frames = rgb(files, film(shot(source(files, "logo.png"), 31, clip={"motion": move, "background": "#0000ff"})))
    # The white half is 45 pixels wide when all is seen, 90 and cut by the edge when near.
    wide = [int((frame[45].min(axis=1) > 128).sum()) for frame in frames]
    assert sorted(wide, reverse=not near_at_end) == wide
    assert {wide[0], wide[-1]} <= {*range(43, 48), *range(74, 92)}
    assert wide[0] != wide[-1]


def test_a_pan_moves_by_parts_of_pixels(files: Path) -> None:
    move = Motion(type="pan_right", strength=0.2, easing="linear")
    made = film(shot(source(files, "logo.png"), 60, clip={"motion": move, "background": "#000000"}))
    lumas = [np.frombuffer(frame, np.uint8)[: WIDTH * HEIGHT].reshape(HEIGHT, WIDTH)[45] for frame in raw(files, made)]
    # How much light there is must stay; its middle must wander by equal steps of a third of a pixel.
    steps = np.diff([(luma.astype(float) - 16).sum() / 219 for luma in lumas])
    light = [luma.astype(float) - 16 for luma in lumas]
    moves = np.diff([float((np.arange(WIDTH) * row).sum() / row.sum()) for row in light])
    assert steps.std() < 0.2
    assert (moves < 0).all()
    assert moves.std() < 0.2 * abs(moves.mean())


def test_ken_burns_goes_from_area_to_area(files: Path) -> None:
    move = Motion(from_area=Area(x=0, y=0, width=0.2, height=0.2), to_area=Area(x=0.45, y=0.1, width=0.1, height=0.1))
    frames = rgb(files, film(shot(source(files, "bars601.mp4"), 20, clip={"motion": move})))
    assert near(frames[0][45, 20], (104, 104, 104), 14)
    assert near(frames[-1][45, 80], (12, 220, 2), 14)


def test_an_overlay_is_there_in_its_frames_and_gone_in_others(files: Path) -> None:
    red, blue = source(files, "red.mp4"), source(files, "blue.mp4")
    layer = Layer(10, 20, blue, Overlay(url=URL, width=0.25, position="bottom_right", margin=0.0))
    frames = rgb(files, film(shot(red, 40), layers=(layer,)))
    assert [near(frame[80, 150], (0, 0, 254)) for frame in frames] == [10 <= n < 30 for n in range(40)]
    assert all(near(frame[80, 110], (254, 0, 0)) for frame in frames)


def test_an_overlay_fades_lets_through_and_keeps_its_alpha(files: Path) -> None:
    layer = Layer(
        0, 60, source(files, "logo.png"), Overlay(url=URL, width=0.5, position="center", opacity=0.5, fade_in=1)
    )
    frames = rgb(files, film(shot(source(files, "red.mp4"), 60), layers=(layer,)))
    assert near(frames[0][45, 60], (254, 0, 0))
    assert near(frames[15][45, 60], (254, 64, 64), 14)
    assert near(frames[45][45, 60], (254, 128, 128), 14)
    assert near(frames[45][45, 100], (254, 0, 0), 14)


def test_a_gif_loops_and_a_video_holds_its_last_frame(files: Path) -> None:
    corner = Overlay(url=URL, loop=True, width=0.2, margin=0.0, position="top_left")
    frames = rgb(
        files, film(shot(source(files, "red.mp4"), 90), layers=(Layer(0, 90, source(files, "loop.gif"), corner),))
    )
    yellow = [near(frame[10, 10], (255, 255, 0), 40) for frame in frames]
    assert [yellow[n] for n in (5, 25, 35, 55, 65)] == [True, False, True, False, True]
    held = Overlay(url=URL, width=0.2, margin=0.0, position="top_left")
    frames = rgb(
        files, film(shot(source(files, "red.mp4"), 60), layers=(Layer(0, 60, source(files, "tall.mp4"), held),))
    )
    assert near(frames[59][10, 5], (0, 254, 0), 20)


def test_an_upper_shot_covers_the_film_and_shows_it_through_its_bars(files: Path) -> None:
    upper = shot(source(files, "tall.mp4"), 20, clip={"background": "#00000000", "effects": ["vignette", "sharpen"]})
    layers = (Layer(10, 20, source(files, "tall.mp4"), upper),)
    frames = rgb(files, film(shot(source(files, "red.mp4"), 40), layers=layers))
    assert near(frames[9][45, 80], (254, 0, 0))
    assert near(frames[15][45, 80], (0, 254, 0), 30)
    assert near(frames[15][45, 10], (254, 0, 0), 14)
    assert near(frames[30][45, 80], (254, 0, 0))


def test_every_style_looks_different_from_all_others(files: Path) -> None:
    names: tuple[StyleName, ...] = StyleName.__args__  # type: ignore[attr-defined] # what a Literal is made of
    photo = shot(source(files, "bars709.mp4"), 1)
    looks = {name: rgb(files, film(photo, look=Look(style=name)))[0].astype(int) for name in names}
    for one, two in product(names, names):
        if one < two:
            assert np.abs(looks[one] - looks[two]).mean() > 2.5, (one, two)
    half = rgb(files, film(photo, look=Look(style="noir", strength=0.0)))[0]
    assert np.array_equal(half, looks["none"])


def test_sliders(files: Path) -> None:
    def colour(x: int, **look: float) -> Pixels:
        return rgb(files, film(shot(source(files, "bars709.mp4"), 1), look=Look.model_validate(look)))[0][20, x]

    green, dark, light = 80, 6, 30
    assert np.ptp(colour(green, saturation=0.0).astype(int)) < 4
    assert colour(dark, brightness=0.4)[1] > colour(dark)[1] > colour(dark, brightness=-0.4)[1]
    assert colour(dark, contrast=2.0)[1] < colour(dark)[1] < colour(light)[1] < colour(light, contrast=2.0)[1]


def test_a_lut_is_obeyed_by_its_strength(files: Path, tmp_path: Path) -> None:
    swapped = [f"{b} {g} {r}" for b, g, r in product((0, 1), repeat=3)]
    (tmp_path / "swap.cube").write_text("\n".join(["LUT_3D_SIZE 2", *swapped]))
    write_lut(tmp_path / "swap.cube", tmp_path)
    for strength, colour in ((1.0, (0, 0, 254)), (0.5, (127, 0, 127))):
        made = film(shot(source(files, "red.mp4"), 2), look=Look(lut_strength=strength), lut=tmp_path / "swap.cube")
        assert near(rgb(tmp_path, made)[1][45, 80], colour, 14)


def test_effects(files: Path) -> None:
    def shown(effect: str, amount: float = 1.0, frame: int = 0) -> Pixels:
        effects = (Effect.model_validate({"type": effect, "amount": amount}),)
        return rgb(files, film(shot(source(files, "bars709.mp4"), 30, clip={"effects": effects})))[frame]

    plain = rgb(files, film(shot(source(files, "bars709.mp4"), 1)))[0].astype(int)
    assert np.ptp(shown("grayscale").astype(int), axis=2).max() < 6
    assert near(shown("negative")[20, 6], (153, 153, 153), 14)
    assert np.abs(np.diff(shown("blur")[20].astype(int), axis=0)).max() < 80
    assert shown("vignette")[2, 2].max() < plain[2, 2].max() / 2
    assert shown("fade_in").max() < 20
    assert shown("fade_out", frame=29).max() < 40
    assert shown("grain").astype(int)[20, 20:35].std() > 5
    for effect in ("sharpen", "sepia", "pixelate", "glow", "color_shift"):
        assert np.abs(shown(effect).astype(int) - plain).mean() > 1, effect
