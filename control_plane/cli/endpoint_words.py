"""What an endpoint costs and what would be done to it, in words, before anything is spent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from control_plane.endpoints.deploy_api import DeployApi
from control_plane.endpoints.provision import Plan, Wanted
from control_plane.ledger.prices import GPU_USD_PER_SECOND, find_gpu
from shared.errors import InvalidRequest

HOUR = 3600


@dataclass(frozen=True)
class Rate:
    """US dollars a second of one worker on `what`; `source` says whose price it is."""

    what: str
    usd_per_second: float
    source: str


def rates(api: DeployApi, hardware: Mapping[str, Any]) -> list[Rate]:
    """What a worker of an endpoint with this `gpu` or `cpu` may cost, dearest last. InvalidRequest for odd names."""
    if cpus := hardware.get("cpu"):
        return [_cpu_rate({one["id"]: one for one in api.cpus()}, cpu) for cpu in cpus]
    catalog = [one for one in api.gpus() if one.get("pool")]
    gpu = hardware["gpu"]
    for pool in gpu["pools"]:
        if pool not in {one["pool"] for one in catalog}:
            there = ", ".join(sorted({one["pool"] for one in catalog}))
            raise InvalidRequest(f"RunPod has no GPU pool {pool}; it has {there}.")
    excluded = gpu.get("excludedTypes") or []
    chosen = [one for one in catalog if one["pool"] in gpu["pools"] and one["id"] not in excluded]
    return sorted((_gpu_rate(one, gpu.get("count", 1)) for one in chosen), key=lambda rate: rate.usd_per_second)


def price_lines(found: list[Rate], workers: Mapping[str, int]) -> list[str]:
    """What is charged, when, and what it can come to."""
    dearest = max(rate.usd_per_second for rate in found)
    least, most = workers["min"], workers["max"]
    lines = [
        f"{rate.what}: ${rate.usd_per_second:.5f} a second, ${rate.usd_per_second * HOUR:.2f} an hour ({rate.source})"
        for rate in found
    ]
    idle = workers.get("idleTimeout", 0)
    lines.append(
        f"Charged from the start of a worker until {idle} s after its last job; pulling the image is not charged."
    )
    lines.append(
        f"At first: ${dearest * HOUR * least:.2f} an hour, day and night, for {least} workers that are always on."
        if least
        else "At first: nothing. The first charge is that of the first job."
    )
    lines.append(f"At most: ${dearest * HOUR * most:.2f} an hour, with {most} workers busy.")
    return lines


def plan_lines(todo: Plan) -> list[str]:
    """What would be done, with nothing secret in it."""
    wanted = todo.wanted
    lines = []
    if todo.found is None:
        lines.append(f"Make endpoint {wanted.name}: {wanted.image}, {_hardware(wanted)}.")
        lines.append(f"A run may last {wanted.timeout_ms / 60_000:g} minutes; container disk {wanted.disk_gb} GB.")
        lines.append(f"Environment: {', '.join(wanted.env) or 'nothing'}.")
    lines += [f"Change {name}: {_value(todo, name)}" for name in todo.changes]
    lines += [f"Keep in RunPod's account secrets: {name}" for name in todo.secrets]
    return lines


def _value(todo: Plan, name: str) -> str:
    """From what to what. Of the environment names alone are told: what was in there before may be secret."""
    there, wanted = (todo.found or {}).get(name), todo.changes[name]
    if name != "env":
        return f"{there} → {wanted}"
    changed = {key for key in wanted.keys() | (there or {}).keys() if wanted.get(key) != (there or {}).get(key)}
    return ", ".join(sorted(changed))


def _hardware(wanted: Wanted) -> str:
    if wanted.cpu:
        return f"{wanted.cpu[1]} virtual CPUs of {wanted.cpu[0]}"
    return f"one GPU of {', '.join(wanted.pools)}, on hosts with CUDA {wanted.min_cuda} or newer"


def _gpu_rate(gpu: Mapping[str, Any], count: int) -> Rate:
    """RunPod's list price; where it tells none, that of our own table."""
    listed = gpu.get("price", {}).get("serverless")
    if listed is not None:
        return Rate(f"{gpu['name']} ({gpu['pool']})", count * listed / HOUR, "RunPod's list price now")
    row = find_gpu(gpu["name"])
    price = GPU_USD_PER_SECOND[row] if row else max(GPU_USD_PER_SECOND.values())
    return Rate(f"{gpu['name']} ({gpu['pool']})", count * price, "from our own table: RunPod lists none")


def _cpu_rate(catalog: Mapping[str, Mapping[str, Any]], cpu: Mapping[str, Any]) -> Rate:
    if cpu["id"] not in catalog:
        raise InvalidRequest(f"RunPod has no CPU flavor {cpu['id']}; it has {', '.join(sorted(catalog))}.")
    hourly = catalog[cpu["id"]]["price"]["serverlessPerVcpu"] * cpu["vcpuCount"]
    return Rate(f"{cpu['vcpuCount']} virtual CPUs of {cpu['id']}", hourly / HOUR, "RunPod's list price now")
