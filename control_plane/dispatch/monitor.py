"""Asks the endpoint how it is, every few seconds, so that nobody has to wait for the answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from control_plane.endpoints.port import LOCAL, Endpoint, EndpointError, EndpointHealth

EVERY_SECONDS = 5.0
WHILE_DOWN_SECONDS = 0.5


@dataclass(frozen=True)
class Seen:
    """The latest answer. `message` says in words what is wrong while `connected` is False."""

    connected: bool = False
    message: str = "The endpoint has not answered yet"
    health: EndpointHealth = field(default_factory=EndpointHealth)


class EndpointMonitor:
    """`seen` is always there; `run` keeps it fresh until canceled."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.seen = Seen()

    @property
    def is_local(self) -> bool:
        """True for the built-in endpoint."""
        return self._endpoint.url == LOCAL

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_SECONDS if self.seen.connected else WHILE_DOWN_SECONDS)

    async def look(self) -> None:
        """Ask once."""
        try:
            self.seen = Seen(True, "Connected", await self._endpoint.health())
        except EndpointError as error:
            self.seen = Seen(False, error.message)
