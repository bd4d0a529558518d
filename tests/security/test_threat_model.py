"""Every line of the threat model names a test that is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODEL = (ROOT / "docs/security.md").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
TESTS = {
    name
    for file in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
}


def rows() -> list[list[str]]:
    """The cells of each row, without the heads."""
    lines = [line.strip("|").split("|") for line in MODEL.splitlines() if line.startswith("| ")]
    return [cells for cells in lines if cells[0].strip() != "threat"]


def test_every_threat_has_a_defence_and_a_proof() -> None:
    assert len(rows()) >= 45
    for cells in rows():
        assert len(cells) == 3, cells
        assert all(cell.strip() for cell in cells), cells
        assert re.search(r"`(test_\w+|make [a-z-]+)`", cells[2]), cells


def test_every_test_that_is_named_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", MODEL))
    assert named - TESTS == set()
    assert set(re.findall(r"`make ([a-z-]+)`", MODEL)) <= TARGETS


def test_no_test_of_this_folder_goes_unnamed() -> None:
    here = {
        name
        for file in Path(__file__).parent.glob("test_*.py")
        if file != Path(__file__)
        for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert here - set(re.findall(r"`(test_\w+)`", MODEL)) <= {"test_who_sends_no_key_guesses_nothing"}
