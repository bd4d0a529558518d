from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from gpu_worker.timeline.pictures import LUT_FILE, write_lut
from shared.errors import MediaRefused

ROWS = [f"{r} {g} {b}" for b, g, r in product((0, 1), repeat=3)]
GOOD = ['TITLE "x; [0:v]movie=/etc/passwd"', "# a note", "LUT_3D_SIZE 2", "DOMAIN_MIN 0 0 0", "", *ROWS]


def cube(folder: Path, lines: list[str]) -> Path:
    (folder / "mine.cube").write_text("\n".join(lines))
    return folder / "mine.cube"


def test_a_table_is_written_anew_with_nothing_but_its_numbers(tmp_path: Path) -> None:
    write_lut(cube(tmp_path, GOOD), tmp_path)
    lines = (tmp_path / LUT_FILE).read_text().splitlines()
    assert lines[0] == "LUT_3D_SIZE 2"
    assert lines[3] == "0.000000 0.000000 0.000000"
    assert len(lines) == 3 + 8
    assert "passwd" not in "".join(lines)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (ROWS, "LUT_3D_SIZE"),
        (["LUT_3D_SIZE 2", *ROWS[1:]], "8 rows"),
        (["LUT_3D_SIZE 66", *ROWS], "from 2 to 65"),
        (["LUT_3D_SIZE ²", *ROWS], "from 2 to 65"),
        (["LUT_1D_SIZE 8", *ROWS], "3D LUTs"),
        (["LUT_3D_SIZE 2", *ROWS[1:], "0 nan 0"], "Line 9"),
        (["LUT_3D_SIZE 2", *ROWS[1:], "0 0"], "Line 9"),
        (["LUT_3D_SIZE 2", "DOMAIN_MAX 0 1 1", *ROWS], "DOMAIN_MIN"),
        (["\x89PNG\0\0"], "Line 1"),
    ],
)
def test_what_is_no_sound_table_is_refused_in_a_sentence(tmp_path: Path, lines: list[str], sentence: str) -> None:
    with pytest.raises(MediaRefused, match=sentence):
        write_lut(cube(tmp_path, lines), tmp_path)
    assert not (tmp_path / LUT_FILE).exists()


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "mine.cube").open("wb") as file:
        file.truncate(17 * 2**20)
    with pytest.raises(MediaRefused, match="larger than 16 MiB"):
        write_lut(tmp_path / "mine.cube", tmp_path)
