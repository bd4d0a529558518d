"""Pictures of every kind come out upright, in 8-bit RGB; what is not a picture is refused in a sentence."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from gpu_worker.media.pictures import FORMATS, open_picture, picture_size
from gpu_worker.media.probe import probe
from shared.errors import MediaRefused

SIZE = (40, 30)


def saved(path: Path, image: Image.Image, format_: str, **options: object) -> Path:
    image.save(path, format_, **options)
    return path


def pixel(picture: Image.Image, x: int = 20, y: int = 15) -> list[int]:
    return [int(value) for value in np.asarray(picture)[y, x]]


@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_is_told_by_its_bytes_and_opened(tmp_path: Path, format_: str) -> None:
    path = saved(tmp_path / "picture", Image.new("RGB", SIZE, (200, 60, 30)), format_)
    media, picture = probe(path), open_picture(path)
    assert (media.kind, media.width, media.height) == ("image", *SIZE)
    assert (picture.mode, picture.size) == ("RGB", SIZE)
    assert pixel(picture) == pytest.approx((200, 60, 30), abs=4)


@pytest.mark.parametrize(
    ("image", "seen"),
    [
        (Image.new("L", SIZE, 128), (128, 128, 128)),
        (Image.new("RGB", SIZE, (10, 200, 30)).quantize(8), (10, 200, 30)),
        (Image.new("1", SIZE, 1), (255, 255, 255)),
        (Image.new("LA", SIZE, (200, 255)), (200, 200, 200)),
        (Image.new("RGBA", SIZE, (255, 255, 255, 128)), (128, 128, 128)),
        (Image.new("I;16", SIZE, 0x8080), (128, 128, 128)),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else "",
)
def test_modes_of_a_png(tmp_path: Path, image: Image.Image, seen: tuple[int, int, int]) -> None:
    picture = open_picture(saved(tmp_path / "p.png", image, "PNG"))
    assert picture.mode == "RGB"
    assert pixel(picture) == pytest.approx(seen, abs=1)


def test_cmyk(tmp_path: Path) -> None:
    picture = open_picture(saved(tmp_path / "p.jpg", Image.new("CMYK", SIZE, (0, 255, 255, 0)), "JPEG"))
    red, green, blue = pixel(picture)
    assert red > 200
    assert max(green, blue) < 60


def test_floating_point_tiff(tmp_path: Path) -> None:
    values = np.full((30, 40), 0.5, np.float32)
    values[0, 0] = np.nan
    picture = open_picture(saved(tmp_path / "p.tif", Image.fromarray(values), "TIFF"))
    assert pixel(picture) == pytest.approx((127, 127, 127), abs=1)


def test_transparent_palette_is_flattened_onto_black(tmp_path: Path) -> None:
    image = Image.new("P", SIZE, 0)
    image.putpalette([255, 0, 0, 0, 255, 0])
    picture = open_picture(saved(tmp_path / "p.png", image, "PNG", transparency=0))
    assert pixel(picture) == [0, 0, 0]


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_exif_orientation(tmp_path: Path, format_: str) -> None:
    image = Image.new("RGB", SIZE, "black")
    image.paste("white", (0, 0, 40, 15))
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path / "p", image, format_, exif=exif)
    picture = open_picture(path)
    assert picture.size == picture_size(path) == (30, 40)
    assert pixel(picture, 27, 20)[0] > 200  # the upper half has gone to the right
    assert pixel(picture, 3, 20)[0] < 50  # the lower half to the left


def test_colour_profile_is_applied(tmp_path: Path) -> None:
    # A gamma of 1 in the profile: half the light is a lighter grey in sRGB.
    linear = _linear_rgb_profile()
    path = saved(tmp_path / "p.png", Image.new("RGB", SIZE, (128, 128, 128)), "PNG", icc_profile=linear)
    assert pixel(open_picture(path)) == pytest.approx((188, 188, 188), abs=2)


def _linear_rgb_profile() -> bytes:
    """Pillow's own sRGB profile with its tone curve replaced by a straight line (ICC.1, curveType with no entries)."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for at in range(132, 132 + 12 * struct.unpack_from(">I", profile, 128)[0], 12):
        name, offset, length = struct.unpack_from(">4sII", profile, at)
        if name in (b"rTRC", b"gTRC", b"bTRC"):
            profile[offset : offset + length] = (b"curv" + bytes(8)).ljust(length, b"\0")
            struct.pack_into(">I", profile, at + 8, 12)
    return bytes(profile)


def test_a_broken_colour_profile_is_ignored(tmp_path: Path) -> None:
    path = saved(tmp_path / "p.png", Image.new("RGB", SIZE, (10, 90, 200)), "PNG", icc_profile=b"\0" * 200)
    assert pixel(open_picture(path)) == [10, 90, 200]


@pytest.mark.parametrize("format_", ["GIF", "WEBP", "AVIF"])
def test_an_animation_gives_its_first_frame(tmp_path: Path, format_: str) -> None:
    first, second = Image.new("RGB", SIZE, (250, 0, 0)), Image.new("RGB", SIZE, (0, 0, 250))
    path = saved(tmp_path / "p", first, format_, save_all=True, append_images=[second])
    assert pixel(open_picture(path)) == pytest.approx((250, 0, 0), abs=6)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a picture",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
        b"GIF89a",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 50,
    ],
)
def test_what_is_not_a_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p"
    path.write_bytes(content)
    with pytest.raises(MediaRefused) as refused:
        open_picture(path)
    assert str(tmp_path) not in refused.value.message
    assert refused.value.message.endswith(".")


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "GIF", "WEBP", "TIFF"])
def test_a_picture_cut_short_is_refused(tmp_path: Path, format_: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8))
    path = saved(tmp_path / "p", noise, format_)
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(MediaRefused):
        open_picture(path)


@pytest.mark.parametrize("opener", [open_picture, picture_size, probe])
@pytest.mark.parametrize(("side", "word"), [(10_001, "megapixels"), (60_000, "megapixels"), (3, "too small")])
def test_sizes_that_are_refused(tmp_path: Path, opener: Callable[[Path], object], side: int, word: str) -> None:
    path = tmp_path / "p.png"
    path.write_bytes(png_of(side, max(10_000, side) if side > 100 else side))
    with pytest.raises(MediaRefused, match=word):
        opener(path)


def png_of(width: int, height: int) -> bytes:
    """A PNG that claims this size and holds next to nothing: what a decompression bomb looks like."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 100)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
