"""Late knowledge: what the endpoint says a submission took, when its attempt had ended before the endpoint knew.

The bucket often tells of an end first. The ledger then counts provisionally, and this asks again until every
submission is known to be over or forgotten. One that still runs long after its attempt is canceled once more.
"""

from __future__ import annotations

import asyncio
import logging
from itertools import count

from control_plane.dispatch.follower import World
from control_plane.endpoints.port import EndpointError
from control_plane.jobs import queries, verbs
from control_plane.jobs.records import Unmeasured
from shared.errors import RushesError

log = logging.getLogger(__name__)

EVERY_SECONDS = 2.0
FRESH_MS = 60_000
"""Younger ends are asked about at every look, older ones once a minute."""
LOOKS_A_MINUTE = 30
GIVE_UP_MS = 7 * 86_400_000
"""No submission lives longer than the longest `ttl` RunPod takes."""
STOP_AFTER_MS = 30_000
AT_ONCE = 20
MOST = 1000


class Bookkeeper:
    """`run` until canceled; `look` is one round."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def run(self) -> None:
        """Ask for ever."""
        for number in count():
            try:
                await self.look(GIVE_UP_MS if number % LOOKS_A_MINUTE == 0 else FRESH_MS)
            except RushesError as trouble:
                log.warning("ledger: %s", trouble.message)
            except Exception:  # a mistake of ours must not leave the books provisional for ever
                log.exception("ledger")
            await asyncio.sleep(EVERY_SECONDS)

    async def look(self, age_ms: int = GIVE_UP_MS) -> None:
        """Ask once about every unmeasured submission whose attempt ended at most `age_ms` ago."""
        since = self._world.clock() - age_ms
        found = self._world.table.ask(queries.unmeasured, since, MOST)
        for start in range(0, len(found), AT_ONCE):
            await asyncio.gather(*(self._ask(submission) for submission in found[start : start + AT_ONCE]))

    async def _ask(self, submission: Unmeasured) -> None:
        endpoint = self._world.endpoints.at(submission.endpoint)
        try:
            answer = await endpoint.status(submission.runpod_id)
            if not answer.status.is_over:
                if self._world.clock() - submission.ended_at > STOP_AFTER_MS:
                    await endpoint.cancel(submission.runpod_id)
                return
        except EndpointError as error:
            log.info("status of %s: %s", submission.runpod_id, error.message)
            return
        times = (answer.delay_ms, answer.execution_ms)
        await self._world.table.do(
            verbs.submission_seen, submission.ref, answer.id, answer.status, answer.worker_id, times
        )
