"""`rushes endpoint`: make the RunPod endpoint, change it, look at it, wake it up, remove it.

Every command that can cost money shows what first, and asks; `--yes` answers, `--dry-run` stops there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from control_plane.cli.options import AsJson
from control_plane.cli.words import Exit, UsageError, fail, say, wrong_settings
from control_plane.settings import Settings

if TYPE_CHECKING:
    from control_plane.endpoints.deploy_api import DeployApi
    from control_plane.endpoints.provision import Plan, Wanted

_DEFAULTS: dict[str, Any] = {
    "image": None, "pool": ["AMPERE_48", "ADA_48_PRO"], "cpu": None, "min_cuda": "12.6", "least": 0, "most": 2,
    "idle": 10, "disk": 40, "registry": None, "volume": [], "data_center": [],
}  # fmt: skip
"""48 GB of GPU memory is what the default models need; CUDA 12.6 is what Dockerfile.worker's torch is built for."""
_OURS_ALONE = {"API_KEY", "RUNPOD_API_KEY", "RUSHES_API_KEY", "WEBHOOK_SECRET"}

endpoint = typer.Typer(no_args_is_help=True, help="The endpoint at RunPod. Needs RUNPOD_API_KEY; jobs need no command.")

Name = Annotated[str, typer.Option(help="The endpoint's name at RunPod, by which it is found again.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done and what it costs, and stop.")]
Image = Annotated[str | None, typer.Option(help="The worker's image, with a version: ghcr.io/you/rushes-worker:1.0.")]
Pool = Annotated[
    list[str] | None,
    typer.Option(help="GPU pools; RunPod takes whichever has room. AMPERE_48 and ADA_48_PRO if unset."),
]
Cpu = Annotated[str | None, typer.Option(help="A CPU endpoint instead, for EXPORT: cpu5c:8 is 8 virtual CPUs.")]
MinCuda = Annotated[str | None, typer.Option(help="The oldest CUDA that a host's driver may have; 12.6 if unset.")]
Least = Annotated[int | None, typer.Option("--min", min=0, help="Workers always on, always charged; 0 if unset.")]
Most = Annotated[int | None, typer.Option("--max", min=1, help="Workers at most, and so the cost; 2 if unset.")]
Idle = Annotated[
    int | None, typer.Option(min=1, max=3600, help="Seconds a worker waits for more work, charged; 10 if unset.")
]
Disk = Annotated[int | None, typer.Option(min=10, help="GB of container disk; 40 if unset.")]
Registry = Annotated[str | None, typer.Option(help="Id of RunPod's registry credential, for a private image.")]
Volume = Annotated[list[str] | None, typer.Option(help="Id of a network volume with weights.")]
DataCenter = Annotated[list[str] | None, typer.Option(help="Only there, such as EU-RO-1.")]
EnvFile = Annotated[
    Path | None,
    typer.Option(help="NAME=VALUE lines for the worker, over those of .env: a bucket key of its own, say."),
]


@endpoint.command(
    "create", help="Make the endpoint, with the bucket of .env. Where it is there already, nothing is done."
)
@endpoint.command(
    "update", help="Change what is named here, and the environment. Busy workers finish their jobs as they are."
)
def bring(
    ctx: typer.Context,
    *,
    image: Image = None,
    name: Name = "rushes",
    pool: Pool = None,
    cpu: Cpu = None,
    min_cuda: MinCuda = None,
    least: Least = None,
    most: Most = None,
    idle: Idle = None,
    disk: Disk = None,
    registry: Registry = None,
    volume: Volume = None,
    data_center: DataCenter = None,
    env_file: EnvFile = None,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """An endpoint that is as the options say: made, or changed."""
    from control_plane.endpoints.provision import find, plan

    with _runpod() as api:
        found = find(api, name)
        if ctx.info_name == "update" and found is None:
            fail(f"There is no endpoint {name}: `rushes endpoint create` makes it.")
        given = {
            "image": image, "pool": pool, "cpu": cpu, "min_cuda": min_cuda, "least": least, "most": most, "idle": idle,
            "disk": disk, "registry": registry, "volume": volume, "data_center": data_center,
        }  # fmt: skip
        before = _kept(found) if ctx.info_name == "update" and found is not None else {}
        asked = {**_DEFAULTS, **before, **{option: value for option, value in given.items() if value is not None}}
        todo = plan(api, _wanted(name, asked, _environment(_settings(), env_file)), found)
        if ctx.info_name == "create" and todo.changes:
            for sentence in _sentences(todo):
                say(sentence)
            fail(f"Endpoint {name} is there already and differs, as above: `rushes endpoint update` changes it.")
        _settle(api, todo, yes=yes, dry_run=dry_run)


@endpoint.command()
def status(*, name: Name = "rushes", as_json: AsJson = False) -> None:
    """What it is, what it costs, and what its workers are doing."""
    from control_plane.cli.endpoint_words import price_lines, rates
    from control_plane.cli.show import facts
    from control_plane.endpoints.provision import require

    with _runpod() as api:
        found = require(api, name)
        workers = api.workers(found["id"])
        price = rates(api, found)
    about = {
        "id": found["id"], "name": found["name"], "url": _url(found), "image": found.get("image"),
        "workers": found["workers"], "timeout_ms": found["timeout"], "gpu": found.get("gpu"), "cpu": found.get("cpu"),
        "active": [{key: one.get(key) for key in ("id", "status", "gpuTypeId", "uptimeSeconds")} for one in workers],
    }  # fmt: skip
    active = "; ".join(f"{one['id']} {one['status']} {one.get('gpuTypeId') or ''}".strip() for one in workers)
    limits = f"{found['workers']['min']} to {found['workers']['max']}"
    asleep = "" if found["workers"]["max"] else "; scaled to zero, jobs wait: `rushes endpoint scale-up` wakes it"
    lines: dict[str, str | None] = {
        "endpoint": f"{found['name']} ({found['id']})", "url": _url(found), "image": found.get("image"),
        "workers": limits + asleep, "active": active or "none now", "a run": f"{found['timeout'] / 60_000:g} min",
        "price": "\n".join(price_lines(price, found["workers"])),
    }  # fmt: skip
    facts(about, lines, as_json=as_json)


@endpoint.command("scale-up")
def scale_up(
    *, name: Name = "rushes", least: Least = None, most: Most = None, yes: Yes = False, dry_run: DryRun = False
) -> None:
    """Set how many workers there may be. RunPod sets it to none after a week without jobs."""
    from control_plane.cli.endpoint_words import price_lines, rates
    from control_plane.endpoints.provision import require

    with _runpod() as api:
        found = require(api, name)
        least = found["workers"]["min"] if least is None else least
        most = _DEFAULTS["most"] if most is None else most
        _check_workers(least, most)
        workers = {**found["workers"], "min": least, "max": most}
        if workers == found["workers"]:
            say(f"Endpoint {name} has {least} to {most} workers already; nothing was changed.")
            return
        before = f"{found['workers']['min']} to {found['workers']['max']}"
        lines = [f"Change workers: {before} → {least} to {most}"]
        if _agreed(lines + price_lines(rates(api, found), workers), yes=yes, dry_run=dry_run):
            with _in_words():
                api.update(found["id"], {"workers": workers})
            say(f"Endpoint {name} may have {least} to {most} workers now.")


@endpoint.command()
def delete(*, name: Name = "rushes", yes: Yes = False, dry_run: DryRun = False) -> None:
    """Remove the endpoint and its secrets at RunPod. Its jobs are canceled; your bucket is not touched."""
    from control_plane.endpoints.provision import find, remove

    with _runpod() as api:
        found = find(api, name)
        if found is None:
            say(f"There is no endpoint {name}; nothing was changed.")
            return
        busy = sum(one["status"] == "RUNNING" for one in api.workers(found["id"]))
        lines = [f"Delete endpoint {name} ({found['id']}) and its secrets. What waits there is canceled."]
        lines += [f"{busy} of its workers are busy with a job now."] if busy else []
        if _agreed(lines, yes=yes, dry_run=dry_run):
            remove(api, found)
            say(f"Endpoint {name} is gone. Take RUNPOD_ENDPOINT out of .env, or name another there.")


@contextmanager
def _runpod() -> Iterator[DeployApi]:
    """The account that the settings name; what goes wrong there ends the command with a sentence."""
    from control_plane.endpoints.deploy_api import DeployApi

    settings = _settings()
    if not settings.runpod_api_key:
        raise UsageError("RUNPOD_API_KEY is not set: make a key at console.runpod.io/user/settings.")
    with _in_words(), DeployApi(settings.runpod_api_key, settings.runpod_api_url) as api:
        yield api


@contextmanager
def _in_words() -> Iterator[None]:
    from control_plane.endpoints.port import EndpointError
    from shared.errors import RushesError

    try:
        yield
    except EndpointError as trouble:
        say(trouble.message)
        raise typer.Exit(Exit.API) from None
    except RushesError as trouble:
        fail(trouble.message)


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as wrong:
        for sentence in wrong_settings(wrong):
            say(sentence)
        raise typer.Exit(Exit.USAGE) from None


def _wanted(name: str, asked: dict[str, Any], env: dict[str, str]) -> Wanted:
    from control_plane.dispatch.limits import DEADLINE_SECONDS, Limits, policy
    from control_plane.endpoints.provision import Wanted

    _check_workers(asked["least"], asked["most"])
    image = asked["image"] or ""
    if ":" not in image.rpartition("/")[2] and "@" not in image:
        raise UsageError("--image: name the worker's image with a version or a digest, such as ghcr.io/you/worker:1.0.")
    return Wanted(
        name=name, image=image, env=env, pools=tuple(asked["pool"]), min_cuda=asked["min_cuda"],
        cpu=_cpu(asked["cpu"]), workers_min=asked["least"], workers_max=asked["most"], idle_seconds=asked["idle"],
        timeout_ms=policy(max(DEADLINE_SECONDS.values()), Limits()).execution_timeout_ms, disk_gb=asked["disk"],
        registry=asked["registry"], volumes=tuple(asked["volume"]), data_centers=tuple(asked["data_center"]),
    )  # fmt: skip


def _kept(found: dict[str, Any]) -> dict[str, Any]:
    """The endpoint as it is, in the words of the options."""
    gpu, workers, cpus = found.get("gpu") or {}, found["workers"], found.get("cpu")
    return {
        "image": found.get("image"), "pool": gpu.get("pools", []),
        "min_cuda": gpu.get("minCudaVersion") or _DEFAULTS["min_cuda"],
        "cpu": f"{cpus[0]['id']}:{cpus[0]['vcpuCount']}" if cpus else None, "least": workers["min"],
        "most": workers["max"], "idle": workers.get("idleTimeout", 10), "disk": found.get("disk", 40),
        "registry": found.get("registry"), "volume": found["networkVolumes"], "data_center": found["dataCenterIds"],
    }  # fmt: skip


def _check_workers(least: int, most: int) -> None:
    if least > most:
        raise UsageError(f"--min {least} is more than --max {most}.")


def _cpu(given: str | None) -> tuple[str, int] | None:
    if given is None:
        return None
    flavor, _, count = given.partition(":")
    if not flavor or not count.isdigit() or int(count) < 2 or int(count) & (int(count) - 1):
        raise UsageError(f"--cpu {given}: give a flavor and a power of two, such as cpu5c:8.")
    return flavor, int(count)


def _environment(settings: Settings, file: Path | None) -> dict[str, str]:
    """What a worker must know: the bucket and the models of `.env`, and what the file says."""
    from dotenv import dotenv_values

    ours = {
        "S3_BUCKET": settings.s3_bucket, "S3_ENDPOINT_URL": settings.s3_endpoint_url, "S3_REGION": settings.s3_region,
        "S3_ACCESS_KEY_ID": settings.s3_access_key_id, "S3_SECRET_ACCESS_KEY": settings.s3_secret_access_key,
        **{f"MODEL_{kind}": model for kind, model in settings.models_by_type.items()},
        "RUNPOD_INIT_TIMEOUT": "800",
    }  # fmt: skip
    if file is not None and not file.is_file():
        raise UsageError(f"--env-file: there is no file {file}.")
    named = {**ours, **(dotenv_values(file) if file else {})}
    if kept := _OURS_ALONE & named.keys():
        raise UsageError(f"--env-file: {', '.join(sorted(kept))} must never reach a worker.")
    found = {key: value for key, value in named.items() if value}
    if not found.get("S3_BUCKET"):
        raise UsageError("S3_BUCKET is not set: workers at RunPod cannot reach a store on this machine.")
    return found


def _sentences(todo: Plan) -> list[str]:
    from control_plane.cli.endpoint_words import plan_lines

    return plan_lines(todo)


def _settle(api: DeployApi, todo: Plan, *, yes: bool, dry_run: bool) -> None:
    """Show it, ask, do it; on the output comes the line for `.env`."""
    from control_plane.cli.endpoint_words import price_lines, rates
    from control_plane.endpoints.provision import carry_out

    body = todo.wanted.body()
    price = price_lines(rates(api, body), body["workers"])
    if todo.found and todo.is_done:
        say(f"Endpoint {todo.wanted.name} is there and as it should be; nothing was changed.")
        _line_for_env(todo.found)
    elif _agreed(_sentences(todo) + price, yes=yes, dry_run=dry_run):
        _line_for_env(carry_out(api, todo))


def _agreed(lines: list[str], *, yes: bool, dry_run: bool) -> bool:
    """Tell what would be done; may it be? Somebody must be there to answer, or have said `--yes`."""
    for sentence in lines:
        say(sentence)
    if dry_run:
        say("Nothing was changed: --dry-run.")
        return False
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError("Nothing was changed: nobody is here to ask. Add --yes to agree.")
    return typer.confirm("Do it?", default=False, err=True)


def _line_for_env(found: dict[str, Any]) -> None:
    sys.stdout.write(f"RUNPOD_ENDPOINT={_url(found)}\n")


def _url(found: dict[str, Any]) -> str:
    """Where jobs are sent: the address of `run` without its last word."""
    return str(found["requestUrls"]["run"]).removesuffix("/run")
