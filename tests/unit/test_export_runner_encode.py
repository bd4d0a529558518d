"""How each file is written: options of every encoder against a table a person has read, names, sizes and weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gpu_worker.media.probe import MediaInfo
from gpu_worker.timeline.film import Film, Shot
from gpu_worker.timeline.pictures import chunks
from gpu_worker.timeline.runner.encode import audio_options, video_options
from gpu_worker.timeline.runner.extras import sheet, sprite_vtt
from gpu_worker.timeline.runner.files import check, files_of
from gpu_worker.timeline.runner.finish import film_arguments, flags, sound_arguments
from gpu_worker.timeline.runner.picture import Crew, chunk_arguments, crew
from gpu_worker.timeline.runner.space import needed
from shared.errors import EngineFailed
from shared.timeline import Encoding, Metadata, Output

COLOURS = "-colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv"


def film(frames: int = 300, fps: int = 30, width: int = 1280, height: int = 720, **output: Any) -> Film:
    shots = (Shot(None, None, 0.0, 0.0, frames),)
    return Film(width, height, fps, shots, output=Output.model_validate({"hardware": "off", **output}))


_X264_ON_TWO = "-profile:v high -pix_fmt yuv420p -threads 2 -x264-params sliced-threads=1"


@pytest.mark.parametrize(
    ("encoder", "encoding", "expected"),
    [
        ("libx264", {}, f"-preset veryfast -crf 20 {_X264_ON_TWO}"),
        ("libx264", {"quality": "best"}, f"-preset slow -crf 16 {_X264_ON_TWO}"),
        (
            "libx264",
            {"video_bitrate": 2000},
            f"-preset veryfast {_X264_ON_TWO} -b:v 2000k -maxrate 3000k -bufsize 4000k",
        ),
        (
            "libx265",
            {},
            "-preset veryfast -crf 24 -pix_fmt yuv420p -tag:v hvc1"
            " -x265-params log-level=error:pools=2:frame-threads=1",
        ),
        (
            "libvpx-vp9",
            {"quality": "draft"},
            "-deadline good -cpu-used 8 -row-mt 1 -threads 2 -crf 40 -b:v 0 -pix_fmt yuv420p",
        ),
        ("libsvtav1", {}, "-preset 10 -crf 34 -svtav1-params lp=2 -pix_fmt yuv420p"),
        (
            "libsvtav1",
            {"video_bitrate": 500},
            "-preset 10 -svtav1-params lp=2 -pix_fmt yuv420p -b:v 500k -bufsize 1000k",
        ),
        ("prores_ks", {"quality": "high"}, "-profile:v 3 -vendor apl0 -pix_fmt yuv422p10le -threads 2"),
        ("h264_nvenc", {}, "-preset p4 -rc vbr -cq 24 -b:v 0 -pix_fmt yuv420p"),
        ("hevc_nvenc", {"quality": "high"}, "-preset p6 -rc vbr -cq 20 -b:v 0 -pix_fmt yuv420p -tag:v hvc1"),
        (
            "h264_nvenc",
            {"video_bitrate": 900},
            "-preset p4 -rc vbr -b:v 900k -pix_fmt yuv420p -maxrate 1350k -bufsize 1800k",
        ),
    ],
)
def test_every_encoder_has_its_options(encoder: str, encoding: dict[str, Any], expected: str) -> None:
    options = video_options(Encoding.model_validate(encoding), encoder, fps=30, threads=2)
    assert " ".join(flags(options)) == f"-c:v {encoder} {expected} -g 60 {COLOURS}"


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ({}, "-c:a aac -b:a 192k"),
        ({"quality": "draft"}, "-c:a aac -b:a 96k -aac_coder fast -aac_ms 0 -aac_is 0 -aac_pns 0 -aac_tns 0"),
        ({"format": "webm", "quality": "draft"}, "-c:a libopus -b:a 96k"),
        ({"format": "mp3", "audio_bitrate": 320}, "-c:a libmp3lame -b:a 320k"),
        ({"format": "mov"}, "-c:a pcm_s16le"),
    ],
)
def test_sound_is_48_khz_stereo_in_every_format(encoding: dict[str, Any], expected: str) -> None:
    assert " ".join(flags(audio_options(Encoding.model_validate(encoding)))) == f"{expected} -ar 48000 -ac 2"


def test_one_picture_serves_every_file_that_may_hold_it() -> None:
    also = [{"format": "mov", "codec": "h264"}, {"format": "gif"}, {"format": "webm", "resolution": "360p"}]
    files = files_of(film(also=also))
    assert [file.name for file in files] == ["film.mp4", "film-2.mov", "film-3.gif", "film-4.webm"]
    names = [file.picture.name if file.picture else None for file in files]
    assert names == ["h264-1280x720-standard", "h264-1280x720-standard", "h264-1280x720-high", "vp9-640x360-standard"]


def test_sound_beside_a_picture_is_coded_before_the_mux() -> None:
    assert " ".join(sound_arguments(Encoding(), Path("/in/sound.flac"), "coded.mp4")) == (
        "-protocol_whitelist file,pipe -i file:sound.flac -c:a aac -b:a 192k -ar 48000 -ac 2 -f mp4 coded.mp4"
    )


def test_the_mux_copies_the_picture_and_marks_the_film() -> None:
    whole = Film(64, 64, 30, (), metadata=Metadata(title="-i x", ai_generated=False))
    arguments = film_arguments(whole, Encoding(), ["-i", "joined.mp4"], Path("/in/coded.mp4"), "film.mp4")
    assert " ".join(arguments) == (
        "-i joined.mp4 -protocol_whitelist file,pipe -i file:coded.mp4 -map 0:v:0 -map 1:a:0"
        " -map_metadata -1 -map_chapters -1 -c:v copy -c:a copy"
        " -metadata title=-i x -movflags +faststart+use_metadata_tags -f mp4 film.mp4"
    )


def test_the_ai_mark_is_written_unless_the_owner_says_otherwise() -> None:
    marked = " ".join(film_arguments(Film(64, 64, 30, ()), Encoding(), None, Path("s.flac"), "film.mp4"))
    assert "trainedAlgorithmicMedia" in marked
    assert "comment=Made with AI" in marked


@pytest.mark.parametrize(
    ("size", "parts", "cores", "version", "expected"),
    [
        ((1920, 1080), 9, 2, "n9.0.2-17-g2a571b6068", Crew(1, 2)),
        ((1920, 1080), 9, 2, "5.1.9-0+deb12u1", Crew(2, 1)),
        ((1920, 1080), 9, 16, "n9.0.2", Crew(4, 2)),
        ((1920, 1080), 1, 8, "7.1", Crew(1, 4)),
        ((3840, 2160), 9, 16, "n9.0.2", Crew(2, 4)),
        ((1280, 720), 9, 1, "N-121000-gabcdef", Crew(1, 1)),
    ],
)
def test_a_crew_fits_the_cores_the_film_and_the_ffmpeg(
    size: tuple[int, int], parts: int, cores: int, version: str, expected: Crew
) -> None:
    assert crew(film(width=size[0], height=size[1]), parts, cores, version) == expected


def test_a_preview_is_decoded_in_haste_and_a_film_is_not() -> None:
    for profile, times in (("preview", 1), ("full", 0)):
        whole = film(60, profile=profile)
        [chunk] = chunks(whole)
        made = chunk_arguments(whole, chunk, None, [file.picture for file in files_of(whole) if file.picture], 1)
        assert made.count("-skip_loop_filter") == times * made.count("-i")


def test_the_sheet_has_a_tile_a_second_and_at_most_a_hundred() -> None:
    plan = sheet(film(75))
    assert (plan.tiles, plan.width, plan.height) == (3, 160, 90)
    assert sprite_vtt(film(75), plan, "s.jpg") == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:00.833\ns.jpg#xywh=0,0,160,90\n\n"
        "00:00:00.833 --> 00:00:01.667\ns.jpg#xywh=160,0,160,90\n\n"
        "00:00:01.667 --> 00:00:02.500\ns.jpg#xywh=320,0,160,90\n"
    )
    long = sheet(film(30 * 3600))
    assert (long.tiles, long.interval) == (100, 36.0)
    assert "01:00:00.000\ns.jpg#xywh=1440,810,160,90" in sprite_vtt(film(30 * 3600), long, "s.jpg")
    tall = sheet(film(width=1080, height=1920))
    assert (tall.width, tall.height) == (90, 160)


def test_room_is_asked_for_by_pixels_and_by_bitrate() -> None:
    sound = needed(film(), [Encoding(format="mp3")])
    small, large = needed(film(), [Encoding()]), needed(film(width=3840, height=2160), [Encoding()])
    assert sound > 200 * 2**20
    assert large - sound == pytest.approx(9 * (small - sound))
    assert needed(film(), [Encoding(video_bitrate=8000)]) - sound == 2 * 8_000_000 / 8 * 10 * 1.2


@pytest.mark.parametrize("change", [{"duration": 10.1}, {"width": 640}, {"audio_stream": None}])
def test_a_file_that_measures_otherwise_is_refused(change: dict[str, Any]) -> None:
    whole = film()
    [file] = files_of(whole)
    right = {"duration": 10.0, "width": 1280, "height": 720, "video_stream": 0, "audio_stream": 1}
    check(whole, file, MediaInfo("video", "mov", **right))
    with pytest.raises(EngineFailed, match=r"^film\.mp4 does not have"):
        check(whole, file, MediaInfo("video", "mov", **(right | change)))
