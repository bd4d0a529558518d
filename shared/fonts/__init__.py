"""The fonts every machine has, all under the SIL Open Font License 1.1 (OFL.txt).

Noto Sans, with Hebrew, Arabic, Thai, Devanagari and single-coloured emoji, and families for captions and titles.
"""

from __future__ import annotations

from pathlib import Path

FONT_DIR = Path(__file__).resolve().parent
FONT_FAMILY = "Noto Sans"
REGULAR = FONT_DIR / "NotoSans-Regular.ttf"
BOLD = FONT_DIR / "NotoSans-Bold.ttf"
FAMILIES = ("Anton", "Courier Prime", "Fredoka", "Montserrat", "Noto Sans")
"""What a person may name; what a family has no letters for is drawn by the other fonts here."""
