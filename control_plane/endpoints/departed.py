"""Stands for an endpoint that is not there any more: whatever it was given is gone."""

from __future__ import annotations

from typing import Any

from control_plane.endpoints.port import EndpointHealth, EndpointUnreachable, Policy, RemoteJob, RemoteStatus


class DepartedEndpoint:
    """What ran on the built-in endpoint before the owner moved to RunPod died with it; the bucket tells the rest."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def run(self, payload: dict[str, Any], policy: Policy, webhook: str | None = None) -> str:
        """Nothing is accepted."""
        del payload, policy, webhook
        raise EndpointUnreachable("The built-in endpoint is switched off")

    async def status(self, runpod_id: str) -> RemoteJob:
        """Everything is gone."""
        return RemoteJob(runpod_id, RemoteStatus.GONE)

    async def cancel(self, runpod_id: str) -> None:
        """There is nothing to stop."""

    async def health(self) -> EndpointHealth:
        """Nobody answers."""
        raise EndpointUnreachable("The built-in endpoint is switched off")

    async def aclose(self) -> None:
        """There is nothing to close."""
