"""The graph of one chunk: shots joined, graded, with all that lies over them, the words last. Pure.

No path and no word of a person's enters a filter: sources are inputs, words an ASS file, a LUT a file of our writing.
"""

from __future__ import annotations

from gpu_worker.media.graph import Stream, apply
from gpu_worker.timeline.film import Chunk, Film
from gpu_worker.timeline.pictures.footage import NONE, Codecs
from gpu_worker.timeline.pictures.framing import Frame
from gpu_worker.timeline.pictures.layers import with_layers
from gpu_worker.timeline.pictures.look import graded
from gpu_worker.timeline.pictures.shots import joined

FONT_FOLDER = "fonts"
"""The folder with the fonts, inside the one that ffmpeg runs in."""


def chunk_stream(film: Film, chunk: Chunk, words: str | None, card: Codecs = NONE) -> Stream:
    """Exactly `chunk.frames` frames in yuv420p, BT.709, limited range, timed from 0.

    `words` is the name of an ASS file in the folder that ffmpeg runs in, its times those of the film.
    """
    frame = Frame(film.width, film.height, film.fps, scaler=film.scaler)
    stream = graded(joined(chunk.pieces, frame, card), film, frame)
    stream = with_layers(apply(stream, "setpts", expr="N"), film, chunk, frame, card)
    if words:
        stream = apply(stream, "setpts", expr=f"N+{chunk.first}")
        stream = apply(stream, "ass", filename=words, fontsdir=FONT_FOLDER)
        stream = apply(stream, "setpts", expr="N")
    return apply(stream, "format", pix_fmts="yuv420p")
