from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg
import pytest
from PIL import Image

from gpu_worker.media.ffmpeg import run_ffmpeg
from gpu_worker.media.probe import input_arguments, input_options, probe, sniff
from shared.errors import EngineFailed, MediaRefused

PICTURE = ["-f", "lavfi", "-i", "testsrc=size=160x90:rate=10:duration=1"]
SOUND = ["-f", "lavfi", "-i", "sine=duration=1.5"]
HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def made(folder: Path, arguments: list[str], name: str) -> Path:
    run_ffmpeg([*arguments, name], duration=2, folder=folder)
    return folder / name


@pytest.mark.parametrize(
    ("arguments", "name", "container", "codec"),
    [
        ([], "a.mp4", "mov", "h264"),
        ([], "a.mov", "mov", "h264"),
        ([], "a.mkv", "matroska", "h264"),
        (["-deadline", "realtime"], "a.webm", "matroska", "vp9"),
        ([], "a.gif", "gif", "gif"),
        ([], "a.avi", "avi", "mpeg4"),
    ],
)
def test_videos(folder: Path, arguments: list[str], name: str, container: str, codec: str) -> None:
    media = probe(made(folder, [*PICTURE, *arguments], name))
    assert (media.kind, media.container, media.video_codec) == ("video", container, codec)
    assert (media.width, media.height, media.has_video, media.has_audio) == (160, 90, True, False)
    assert (media.duration, media.fps) == (pytest.approx(1.0, abs=0.001), pytest.approx(10, abs=0.01))


@pytest.mark.parametrize(
    ("name", "container", "codec"),
    [
        ("a.mp3", "mp3", "mp3"),
        ("a.wav", "wav", "pcm_s16le"),
        ("a.ogg", "ogg", "vorbis"),
        ("a.opus", "ogg", "opus"),
        ("a.flac", "flac", "flac"),
        ("a.aac", "aac", "aac"),
        ("a.m4a", "mov", "aac"),
    ],
)
def test_sounds(folder: Path, name: str, container: str, codec: str) -> None:
    media = probe(made(folder, SOUND, name))
    assert (media.kind, media.container, media.audio_codec) == ("audio", container, codec)
    assert (media.has_video, media.has_audio, media.channels, media.width) == (False, True, 1, None)
    assert media.duration == pytest.approx(1.5, abs=0.06)


def test_cover_art_does_not_make_a_song_a_video(folder: Path) -> None:
    Image.new("RGB", (60, 60), "red").save(folder / "cover.jpg")
    cover = ["-i", "cover.jpg", "-map", "0:a", "-map", "1:v", "-disposition:v", "attached_pic"]
    media = probe(made(folder, [*SOUND, *cover], "song.mp3"))
    assert (media.kind, media.duration) == ("audio", pytest.approx(1.5, abs=0.06))


def test_a_browsers_recording_without_a_length_is_measured(folder: Path) -> None:
    live = made(folder, [*PICTURE, "-deadline", "realtime", "-f", "webm", "-live", "1"], "recorded.webm")
    assert probe(live).duration == pytest.approx(1.0, abs=0.001)


def test_a_turned_phone_video_is_measured_as_shown(folder: Path) -> None:
    made(folder, PICTURE, "flat.mp4")
    turn = ["-display_rotation", "90", "-i", "flat.mp4", "-c", "copy", "turned.mp4"]
    # Not every ffmpeg of a machine can write a rotation; the packaged one can.
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *turn], cwd=folder, check=True)
    media = probe(folder / "turned.mp4")
    assert (media.width, media.height, abs(media.rotation)) == (90, 160, 90)


@pytest.mark.parametrize(
    ("name", "container"), [("a.png", "png_pipe"), ("a.jpg", "jpeg_pipe"), ("a.webp", "webp_pipe")]
)
def test_pictures(folder: Path, name: str, container: str) -> None:
    Image.new("RGB", (40, 30), "red").save(folder / name)
    media = probe(folder / name)
    assert (media.kind, media.container, media.width, media.height, media.duration) == ("image", container, 40, 30, 0)


def test_a_gif_of_one_picture_is_a_picture(folder: Path) -> None:
    Image.new("RGB", (40, 30), "red").save(folder / "still.gif")
    assert probe(folder / "still.gif").kind == "image"


@pytest.mark.parametrize(
    "content",
    [
        HLS.encode(),
        b"ffconcat version 1.0\nfile other.mp4\n",
        b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00heicmif1",
        b"%PDF-1.7",
        b"hello",
        b"",
    ],
    ids=["hls", "ffconcat", "svg", "heic", "pdf", "text", "empty"],
)
def test_what_is_not_media_is_refused_whatever_its_name(folder: Path, content: bytes) -> None:
    (folder / "film.mp4").write_bytes(content)
    with pytest.raises(MediaRefused, match="not a video, sound or picture"):
        probe(folder / "film.mp4")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("film.mp4", b"\x00\x00\x00\x18ftypisom" + bytes(200)),
        ("film.webm", b"\x1aE\xdf\xa3" + HLS.encode()),
        ("song.mp3", b"ID3" + HLS.encode()),
        ("song.ogg", b"OggS" + bytes(100)),
        ("photo.jpg", b"\xff\xd8\xff\xe0" + bytes(100)),
        ("photo.png", b"\x89PNG\r\n\x1a\n" + bytes(100)),
    ],
)
def test_a_file_that_only_begins_like_media_is_refused(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(MediaRefused, match=r"damaged|not a video") as refusal:
        probe(folder / name)
    assert str(folder) not in refusal.value.message


def test_half_a_film_is_refused(folder: Path) -> None:
    film = made(folder, PICTURE, "a.mp4")
    film.write_bytes(film.read_bytes()[:400])
    with pytest.raises(MediaRefused, match="damaged"):
        probe(film)


def test_a_compression_we_do_not_open_is_named(folder: Path) -> None:
    with pytest.raises(MediaRefused, match="compressed as"):
        probe(made(folder, [*PICTURE, "-c:v", "ffvhuff"], "a.mkv"))


def test_ffmpeg_is_told_the_same_demuxer_and_nothing_but_files(folder: Path) -> None:
    path = made(folder, PICTURE, "a.mp4")
    assert input_arguments(path, probe(path)) == [
        *("-f", "mov", "-protocol_whitelist", "file,pipe", "-codec_whitelist", "h264"),
        *("-i", f"file:{path}"),
    ]


PQ_TAGS = "setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc"
PQ = ["-vf", f"format=yuv420p10le,{PQ_TAGS}", "-c:v", "libx265", "-x265-params", "log-level=error"]


@pytest.mark.parametrize(
    ("arguments", "name", "told"),
    [
        ([], "sd.mp4", {"matrix": "bt601", "is_hdr": False, "alpha": False, "interlaced": False, "pixel_aspect": 1.0}),
        (["-s", "1280x720"], "hd.mp4", {"matrix": "bt709"}),
        (["-colorspace", "bt709"], "tagged.mp4", {"matrix": "bt709"}),
        (PQ, "pq.mp4", {"matrix": "bt2020", "primaries": "bt2020", "transfer": "smpte2084", "is_hdr": True}),
        (["-vf", "setsar=16/11"], "wide.mp4", {"pixel_aspect": pytest.approx(16 / 11)}),
        (["-vf", "scale=160:96,interlace", "-flags", "+ilme+ildct"], "tape.mp4", {"interlaced": True}),
        (["-vf", "format=yuva420p", "-c:v", "libvpx-vp9", "-auto-alt-ref", "0"], "logo.webm", {"alpha": True}),
        (["-vf", "format=yuva444p10le", "-c:v", "prores_ks"], "logo.mov", {"alpha": True}),
        ([], "a.gif", {"matrix": "rgb"}),
    ],
)
def test_colours_are_told(folder: Path, arguments: list[str], name: str, told: dict[str, object]) -> None:
    media = probe(made(folder, [*PICTURE, *arguments], name))
    assert {field: getattr(media, field) for field in told} == told


def test_alpha_in_vp9_is_decoded_by_the_one_decoder_that_sees_it(folder: Path) -> None:
    path = made(folder, [*PICTURE, "-vf", "format=yuva420p", "-c:v", "libvpx-vp9", "-auto-alt-ref", "0"], "logo.webm")
    assert input_options(probe(path))["c:v"] == "libvpx-vp9"


def test_ffmpeg_opens_no_decoder_that_was_not_probed(folder: Path) -> None:
    path = made(folder, PICTURE, "a.mp4")
    arguments = ["mpeg4" if one == "h264" else one for one in input_arguments(path, probe(path))]
    with pytest.raises(EngineFailed):
        run_ffmpeg([*arguments, "-f", "null", "-"], duration=1, folder=folder)


@pytest.mark.parametrize(
    ("head", "container"),
    [
        (b"\xff\xfb\x90\x00", "mp3"),
        (b"\xff\xf1\x50\x80", "aac"),
        (b"\xff\xe1\x50\x80", None),
        (b"\xff", None),
        (b"RIFF\x00\x00\x00\x00CDXA", None),
        (b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00heicmif1", None),
        (b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1avif", "avif"),
        (b"\x00\x00\x00\x1cftypavis\x00\x00\x00\x00avifavismsf1", "avif"),
        (b"\x00\x00\x00\x08wide\x00\x00\x00\x00mdat", "mov"),
    ],
)
def test_first_bytes(head: bytes, container: str | None) -> None:
    assert sniff(head) == container
