"""Timelines from and to other editing programs, as OpenTimelineIO files, by its own library.

It is an optional dependency: `opentimelineio==0.18.1`. What OpenTimelineIO has no words for is kept in metadata under
`rushes`, so that our own files come back whole, to the frame.
"""

from gpu_worker.timeline.interchange.reading import Imported, from_otio
from gpu_worker.timeline.interchange.writing import to_otio

__all__ = ["Imported", "from_otio", "to_otio"]
