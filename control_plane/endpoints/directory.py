"""Which endpoint a job goes to, and where an earlier attempt went."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from control_plane.endpoints.port import Endpoint
from shared.job_types import JobType


class EndpointDirectory:
    """New attempts go by job type; an old one is always followed at the address it was sent to."""

    def __init__(
        self,
        default: Endpoint,
        by_type: Mapping[JobType, Endpoint],
        open_address: Callable[[str], Endpoint],
    ) -> None:
        self._default = default
        self._by_type = by_type
        self._open_address = open_address
        self._known = {endpoint.url: endpoint for endpoint in (default, *by_type.values())}

    def for_type(self, job_type: JobType) -> Endpoint:
        """Where a new attempt of this type is sent."""
        return self._by_type.get(job_type, self._default)

    def at(self, url: str) -> Endpoint:
        """The endpoint an attempt was sent to, also when the settings have changed since."""
        if url not in self._known:
            self._known[url] = self._open_address(url)
        return self._known[url]

    @property
    def by_type(self) -> Mapping[JobType, Endpoint]:
        """The job types that have an endpoint of their own."""
        return self._by_type

    @property
    def default(self) -> Endpoint:
        """The endpoint `/health` speaks of."""
        return self._default

    async def aclose(self) -> None:
        """Close every endpoint."""
        for endpoint in self._known.values():
            await endpoint.aclose()
