"""A person's still picture, whatever its format, as upright 8-bit sRGB."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageCms, ImageOps

from shared.errors import MediaRefused

MAX_PIXELS = 100_000_000
MIN_SIDE = 16
# Those that `media.probe` knows by their first bytes. Pillow decodes them by itself: EPS would start Ghostscript.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
_DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_SIDEWAYS = (5, 6, 7, 8)
_ORIENTATION = 0x0112
_TOO_LARGE = f"This picture is too large: at most {MAX_PIXELS // 1_000_000} megapixels are taken."


def open_picture(path: Path, *, keep_alpha: bool = False) -> Image.Image:
    """The picture (of an animation its first frame) in mode RGB: EXIF orientation applied, colours converted by its
    ICC profile, 16 bits scaled to 8, transparency over black, or kept in mode RGBA.

    Raises MediaRefused when it is not a picture, is damaged, or has more than MAX_PIXELS or a side under MIN_SIDE.
    """
    with _opened(path) as picture:
        picture.load()
        upright = _in_srgb(_in_8_bits(ImageOps.exif_transpose(picture)))
        return upright.convert("RGBA") if keep_alpha and upright.has_transparency_data else _flattened(upright)


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels once upright, read from the header alone; raises MediaRefused like `open_picture`."""
    with _opened(path) as picture:
        width, height = picture.size
        # Pillow gives the size of a TIFF as it will be once upright.
        sideways = picture.format != "TIFF" and picture.getexif().get(_ORIENTATION) in _SIDEWAYS
    return (height, width) if sideways else (width, height)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    # We have a limit of our own; Pillow's warning would only come in between.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(path, formats=FORMATS) as picture:
                _check_size(picture)
                yield picture
        except (MediaRefused, MemoryError):
            raise
        except Image.DecompressionBombError as bomb:
            raise MediaRefused(_TOO_LARGE) from bomb
        except Exception as damaged:
            raise MediaRefused("This file is not a picture we can read, or it is damaged.") from damaged


def _check_size(picture: Image.Image) -> None:
    if min(picture.size) < MIN_SIDE:
        raise MediaRefused(f"This picture is too small: it needs at least {MIN_SIDE} pixels a side.")
    if picture.width * picture.height > MAX_PIXELS:
        raise MediaRefused(_TOO_LARGE)


def _in_8_bits(picture: Image.Image) -> Image.Image:
    if picture.mode not in _DEEP_MODES:
        return picture
    # Here alone, since a film that has no such picture need not carry it: 12 MB.
    import numpy as np

    values = np.nan_to_num(np.asarray(picture, dtype=np.float32), posinf=0.0, neginf=0.0)
    # Integers are 16-bit samples in every format taken here; floats reach from 0 to 1 unless they go further.
    full = max(1.0, float(values.max())) if picture.mode == "F" else 65535.0
    return Image.fromarray(np.clip(values * (255.0 / full), 0, 255).astype(np.uint8))


def _in_srgb(picture: Image.Image) -> Image.Image:
    """Converted by the embedded profile where that is a sound one, else by Pillow's own rules."""
    profile = picture.info.get("icc_profile")
    if profile and picture.mode in ("RGB", "CMYK"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            return picture
        return converted or picture
    return picture


def _flattened(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layered = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layered.size, "black"), layered).convert("RGB")
