"""Files of an unfinished job, kept in the store so that its next worker goes on from there.

They lie below `jobs/<job id>/checkpoints/`, for all attempts alike. Keeping one never holds the job up and never
fails it: what did not get through is made again. A job that has succeeded has none.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from shared.errors import MediaRefused, NotFound, StorageFailed
from shared.storage.base import ObjectStore
from shared.wire import checkpoint_prefix

MOST_BYTES = 20 * 2**30
_log = logging.getLogger(__name__)


class Checkpoints:
    """Those of one job. Uploads happen one at a time, in order."""

    def __init__(self, store: ObjectStore, job_id: str) -> None:
        self._store = store
        self._prefix = checkpoint_prefix(job_id)
        self._sending: asyncio.Task[None] | None = None

    async def restore(self, folder: Path) -> None:
        """Bring what earlier runs kept into `folder`; what cannot be brought is left out."""
        folder.mkdir()
        await asyncio.to_thread(self._download, folder)

    def send(self, path: Path) -> None:
        """Upload `path` under its own name after those before it, then remove it here."""
        self._sending = asyncio.create_task(self._after(self._sending, path))

    async def stop(self) -> None:
        """Give up what has not been sent yet."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait({self._sending})

    async def clear(self) -> None:
        """The job is done: nobody goes on from here."""
        await self.stop()
        await asyncio.to_thread(self._delete)

    async def _after(self, before: asyncio.Task[None] | None, path: Path) -> None:
        if before is not None:
            await before
        try:
            key = f"{self._prefix}{path.name}"
            await asyncio.to_thread(self._store.upload, path, key, "application/octet-stream")
        except (StorageFailed, OSError) as trouble:
            _log.warning("A checkpoint was not kept: %s", trouble)
        finally:
            path.unlink(missing_ok=True)

    def _download(self, folder: Path) -> None:
        try:
            for found in self._store.list(self._prefix):
                self._store.download(found.key, folder / found.key.removeprefix(self._prefix), MOST_BYTES)
        except (StorageFailed, NotFound, MediaRefused, OSError) as trouble:
            _log.warning("Checkpoints were not restored: %s", trouble)

    def _delete(self) -> None:
        try:
            for found in list(self._store.list(self._prefix)):
                self._store.delete(found.key)
        except StorageFailed as trouble:
            _log.warning("Checkpoints are left to upkeep: %s", trouble)
