"""What an endpoint for our workers should be, what there is, and what has to change between them.

An endpoint is found by its name, so a second `create` finds the first one's. No template is used: RunPod copies one
into an endpoint once, and later edits of it reach nobody.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

from control_plane.endpoints.deploy_api import DeployApi
from control_plane.endpoints.port import AnswerLost
from shared.errors import NotFound

SECRET_NAMES = ("SECRET", "TOKEN", "PASSWORD")
"""A variable with one of these in its name is kept as an account secret, and the endpoint only names it."""
_REFERENCE = "{{{{ RUNPOD_SECRET_{} }}}}"


@dataclass(frozen=True)
class Wanted:
    """An endpoint as it should be. Times: `timeout_ms` of one run, `idle_seconds` before a worker without work ends."""

    name: str
    image: str
    env: dict[str, str]
    pools: tuple[str, ...] = ()
    min_cuda: str = ""
    cpu: tuple[str, int] | None = None
    """A CPU flavor and how many virtual CPUs: then no GPU is asked for."""
    workers_min: int = 0
    workers_max: int = 2
    idle_seconds: int = 10
    timeout_ms: int = 300_000
    disk_gb: int = 40
    registry: str | None = None
    volumes: tuple[str, ...] = ()
    data_centers: tuple[str, ...] = ()

    def body(self) -> dict[str, Any]:
        """The request that makes it (`CreateEndpointRequest`)."""
        hardware: dict[str, Any] = (
            {"cpu": [{"id": self.cpu[0], "vcpuCount": self.cpu[1]}]}
            if self.cpu
            else {"gpu": {"pools": list(self.pools), "count": 1, "minCudaVersion": self.min_cuda}}
        )
        return {
            "name": self.name,
            "type": "QUEUE",
            "image": self.image,
            "registry": self.registry,
            "env": {name: self.shown(name, value) for name, value in self.env.items()},
            "disk": self.disk_gb,
            **hardware,
            "workers": {"min": self.workers_min, "max": self.workers_max, "idleTimeout": self.idle_seconds},
            "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
            "timeout": self.timeout_ms,
            "flashboot": "FLASHBOOT",
            "networkVolumes": list(self.volumes),
            "dataCenterIds": list(self.data_centers),
        }

    def shown(self, name: str, value: str) -> str:
        """What stands in the endpoint's environment: the value, or the name of the secret that holds it."""
        return _REFERENCE.format(self.secret_name(name)) if is_secret(name) else value

    def secret_name(self, name: str) -> str:
        """An account secret of this endpoint alone; RunPod allows letters, digits and `_.-/`."""
        return f"rushes_{re.sub(r'[^a-zA-Z0-9]+', '_', self.name)}_{name}".lower()

    def secrets(self) -> dict[str, str]:
        """Names of account secrets and their values."""
        return {self.secret_name(name): value for name, value in self.env.items() if is_secret(name)}


@dataclass(frozen=True)
class Plan:
    """What there is (`found`), and what has to be done: `changes` of the endpoint, secrets to write by name."""

    wanted: Wanted
    found: dict[str, Any] | None
    changes: dict[str, Any]
    secrets: dict[str, str]
    secret_ids: dict[str, str] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        """True when everything is as wanted already."""
        return self.found is not None and not self.changes and not self.secrets


def is_secret(name: str) -> bool:
    """Does this variable hold something that must not be shown?"""
    return any(word in name for word in SECRET_NAMES)


def find(api: DeployApi, name: str) -> dict[str, Any] | None:
    """The account's endpoint of this name. RunPod has been seen to add ` -fb` where FlashBoot is on."""
    return next((one for one in api.endpoints() if one["name"].removesuffix(" -fb") == name), None)


def require(api: DeployApi, name: str) -> dict[str, Any]:
    """Like `find`, but NotFound where there is none."""
    found = find(api, name)
    if found is None:
        others = ", ".join(one["name"] for one in api.endpoints()) or "none at all"
        raise NotFound(f"There is no endpoint {name} in this RunPod account; it has {others}.")
    return found


def plan(api: DeployApi, wanted: Wanted, found: dict[str, Any] | None) -> Plan:
    """Hold what is wanted against what was `found`. Nothing is changed."""
    there = {one["name"]: one for one in api.secrets()} if wanted.secrets() else {}
    stale = {
        name: value
        for name, value in wanted.secrets().items()
        if name not in there or there[name].get("description") != _described(value)
    }
    ids = {name: there[name]["id"] for name in stale if name in there}
    return Plan(wanted, found, differences(wanted.body(), found) if found else {}, stale, ids)


def differences(body: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """The fields of `body` that `found` has otherwise, as a PATCH takes them. Name and kind are not changed."""
    wanted = {name: value for name, value in body.items() if name not in ("name", "type")}
    return {name: value for name, value in wanted.items() if not _covers(found.get(name), value)}


def carry_out(api: DeployApi, todo: Plan) -> dict[str, Any]:
    """Do it; the endpoint as it is then. Secrets come first: a worker may start as soon as the endpoint is there.

    Of a lost answer to the creation nobody knows; the endpoint is looked for by its name, never made twice.
    """
    for name, value in todo.secrets.items():
        if name in todo.secret_ids:
            api.update_secret(todo.secret_ids[name], value, _described(value))
        else:
            api.create_secret(name, value, _described(value))
    if todo.found is not None:
        return api.update(todo.found["id"], todo.changes) if todo.changes else todo.found
    try:
        return api.create(todo.wanted.body())
    except AnswerLost as lost:
        if made := find(api, todo.wanted.name):
            return made
        raise AnswerLost(f"{lost.message} No endpoint was made; run the same command again.") from lost


def remove(api: DeployApi, found: dict[str, Any]) -> None:
    """The endpoint and the secrets that only it names."""
    named = re.findall(r"RUNPOD_SECRET_(rushes_\S+)", " ".join(map(str, found.get("env", {}).values())))
    api.delete(found["id"])
    for secret in api.secrets() if named else []:
        if secret["name"] in named:
            api.delete_secret(secret["id"])


def _covers(there: Any, wanted: Any) -> bool:  # noqa: ANN401 - any JSON
    """Is what is there all that is wanted? It may say more: memory of a CPU, a date."""
    if isinstance(wanted, dict) and isinstance(there, dict):
        whole = there.keys() == wanted.keys() if all(isinstance(value, str) for value in wanted.values()) else True
        return whole and all(_covers(there.get(name), value) for name, value in wanted.items())
    if isinstance(wanted, list) and isinstance(there, list):
        if all(isinstance(value, str) for value in wanted):
            return sorted(wanted) == sorted(map(str, there))
        return len(wanted) == len(there) and all(map(_covers, there, wanted))
    return bool(there == wanted)


def _described(value: str) -> str:
    """Tells a changed value from the same one, as RunPod never tells values. A key is random: nothing is learned."""
    return f"For Rushes workers; fingerprint {hashlib.sha256(value.encode()).hexdigest()[:12]}"
