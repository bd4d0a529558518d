"""Still pictures: opened by Pillow within its own size limit, turned upright, flattened onto black."""

from __future__ import annotations

import warnings
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from shared.errors import MediaRefused

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
_SIDEWAYS = (5, 6, 7, 8)
_ORIENTATION = 0x0112


def open_picture(path: Path) -> Image.Image:
    """The picture, or the first frame of an animated one, as upright 8-bit RGB.

    Raises MediaRefused when it cannot be opened or holds more pixels than Pillow's own limit.
    """
    try:
        with _opened(path) as picture:
            upright = ImageOps.exif_transpose(picture)
            return _flattened(upright) if upright.has_transparency_data else upright.convert("RGB")
    except (OSError, ValueError, SyntaxError) as problem:
        raise MediaRefused("This picture is damaged and cannot be opened.") from problem


def _flattened(picture: Image.Image) -> Image.Image:
    black = Image.new("RGBA", picture.size, "black")
    return Image.alpha_composite(black, picture.convert("RGBA")).convert("RGB")


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels once upright, read from the header alone; raises MediaRefused like `open_picture`."""
    with _opened(path) as picture:
        width, height = picture.size
        sideways = picture.getexif().get(_ORIENTATION) in _SIDEWAYS
    return (height, width) if sideways else (width, height)


def _opened(path: Path) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return Image.open(path, formats=_FORMATS)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as problem:
        raise MediaRefused("This picture has more pixels than we open.") from problem
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as problem:
        raise MediaRefused("This picture is damaged and cannot be opened.") from problem
