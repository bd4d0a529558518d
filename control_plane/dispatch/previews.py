"""The newest small picture of each running job, in memory alone: a hint that is gone with the job or with this process.

It comes with the progress, so it needs no channel of its own: in a callback, or, where the plane has no public address,
in what RunPod's `/status` shows of a running job.
"""

from __future__ import annotations

import base64
import binascii
from collections import OrderedDict
from dataclasses import dataclass

from shared.wire import MOST_PREVIEW_BYTES, Progress

MOST_KEPT = 256
"""Four megabytes at most; the job that was silent longest goes first."""
_JPEG = b"\xff\xd8\xff"
_LONGEST = 4 * -(-MOST_PREVIEW_BYTES // 3)


@dataclass(frozen=True)
class Preview:
    """A picture, and its place among those of its job by (`attempt`, `run`, `seq`)."""

    order: tuple[int, int, int]
    jpeg: bytes


class Previews:
    """By job. What is no small JPEG, or older than what is there, is passed over."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Preview] = OrderedDict()

    def keep(self, progress: Progress) -> None:
        """Take the picture of a report, where it has one."""
        jpeg = _picture(progress.preview)
        order = (progress.attempt, progress.run, progress.seq)
        before = self._kept.get(progress.job_id)
        if jpeg is None or (before is not None and (order <= before.order or jpeg == before.jpeg)):
            return
        self._kept[progress.job_id] = Preview(order, jpeg)
        self._kept.move_to_end(progress.job_id)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)

    def of(self, job_id: str) -> Preview | None:
        """The newest, if there is one."""
        return self._kept.get(job_id)

    def forget(self, job_id: str) -> None:
        """The attempt is over."""
        self._kept.pop(job_id, None)


def _picture(encoded: str | None) -> bytes | None:
    if encoded is None or len(encoded) > _LONGEST:
        return None
    try:
        jpeg = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    return jpeg if jpeg.startswith(_JPEG) else None
