"""Words on the picture and beside it: captions, titles, subtitle files."""

from gpu_worker.timeline.words.fonts import font_notes, missing_glyphs, place_fonts
from gpu_worker.timeline.words.script import script
from gpu_worker.timeline.words.subtitles import read_subtitles, subtitle_text

__all__ = ["font_notes", "missing_glyphs", "place_fonts", "read_subtitles", "script", "subtitle_text"]
