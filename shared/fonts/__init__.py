"""The fonts every machine has: Noto Sans, with Hebrew and Arabic for captions (SIL Open Font License 1.1, OFL.txt)."""

from __future__ import annotations

from pathlib import Path

FONT_DIR = Path(__file__).resolve().parent
FONT_FAMILY = "Noto Sans"
REGULAR = FONT_DIR / "NotoSans-Regular.ttf"
BOLD = FONT_DIR / "NotoSans-Bold.ttf"
