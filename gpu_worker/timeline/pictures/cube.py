"""A `.cube` file of a person's, read with care and written anew, so that ffmpeg sees nothing but numbers.

Format: Adobe, "Cube LUT Specification 1.0" (2013).
"""

from __future__ import annotations

import math
from pathlib import Path

from shared.errors import MediaRefused

LUT_FILE = "look.cube"
"""What the LUT is called in the folder that ffmpeg runs in."""
MAX_BYTES = 16 * 1024 * 1024
# What ffmpeg's lut3d takes at most is 256; no camera or program writes more than 65.
_LARGEST_3D = 65


def write_lut(path: Path, folder: Path) -> None:
    """Write the table in `path` as `LUT_FILE` into the folder.

    Raises MediaRefused, in a sentence, for what is no sound `.cube` table of at most 65 steps a side.
    """
    if path.stat().st_size > MAX_BYTES:
        raise MediaRefused(f"The LUT is larger than {MAX_BYTES // 2**20} MiB.")
    size, domain, rows = _read(path.read_text("utf-8", "replace"))
    if len(rows) != size**3:
        raise MediaRefused(f"The LUT should have {size**3} rows of colours, but it has {len(rows)}.")
    head = [f"LUT_3D_SIZE {size}", *(f"DOMAIN_{name} {_row(values)}" for name, values in domain.items())]
    (folder / LUT_FILE).write_text("\n".join([*head, *map(_row, rows)]) + "\n", "ascii")


Colours = tuple[float, float, float]


def _read(text: str) -> tuple[int, dict[str, Colours], list[Colours]]:
    size, rows = 0, []
    domain: dict[str, Colours] = {"MIN": (0.0, 0.0, 0.0), "MAX": (1.0, 1.0, 1.0)}
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split("#")[0].split()
        if not words or words[0] == "TITLE":
            continue
        if words[0] == "LUT_3D_SIZE":
            size = _size(words)
        elif words[0] in ("DOMAIN_MIN", "DOMAIN_MAX"):
            domain[words[0].removeprefix("DOMAIN_")] = _colours(words[1:], number)
        elif words[0].startswith(("LUT_1D", "LUT_3D_INPUT_RANGE", "LUT_IN_")):
            raise MediaRefused("Only plain 3D LUTs (LUT_3D_SIZE) are taken.")
        else:
            rows.append(_colours(words, number))
    if not size:
        raise MediaRefused("This is not a .cube LUT: it does not say its LUT_3D_SIZE.")
    if any(low >= high for low, high in zip(domain["MIN"], domain["MAX"], strict=True)):
        raise MediaRefused("The LUT's DOMAIN_MIN must be below its DOMAIN_MAX.")
    return size, domain, rows


def _size(words: list[str]) -> int:
    if len(words) != 2 or not words[1].isascii() or not words[1].isdigit() or not 2 <= int(words[1]) <= _LARGEST_3D:
        raise MediaRefused(f"The LUT's size must be a number from 2 to {_LARGEST_3D}.")
    return int(words[1])


def _colours(words: list[str], number: int) -> Colours:
    try:
        red, green, blue = (float(word) for word in words)
    except ValueError:
        raise MediaRefused(f"Line {number} of the LUT is not three numbers.") from None
    if not all(math.isfinite(value) for value in (red, green, blue)):
        raise MediaRefused(f"Line {number} of the LUT is not three numbers.")
    return red, green, blue


def _row(values: Colours) -> str:
    return " ".join(f"{value:.6f}" for value in values)
