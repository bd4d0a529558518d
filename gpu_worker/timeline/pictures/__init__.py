"""The picture of a film: chunks of it, and for each one ffmpeg graph that makes exactly its frames. Pure."""

from gpu_worker.timeline.pictures.chunks import chunks, cost
from gpu_worker.timeline.pictures.cube import LUT_FILE, write_lut
from gpu_worker.timeline.pictures.footage import NONE, Codecs
from gpu_worker.timeline.pictures.graph import FONT_FOLDER, chunk_stream

__all__ = ["FONT_FOLDER", "LUT_FILE", "NONE", "Codecs", "chunk_stream", "chunks", "cost", "write_lut"]
