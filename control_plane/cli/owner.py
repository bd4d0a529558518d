"""The commands about what the owner has: money, models, twins, keys."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from control_plane.cli.options import AsJson, connect
from control_plane.cli.words import ApiError
from control_plane.jobs.keys import KeyScope

keys = typer.Typer(no_args_is_help=True, help="Keys for others than the owner. Needs the owner's key, or an admin's.")


def budget(
    *,
    reconcile: Annotated[bool, typer.Option(help="Ask RunPod for its bill of this month too.")] = False,
    as_json: AsJson = False,
) -> None:
    """What may be spent, is spent, and is reserved, today and this month (UTC)."""
    from control_plane.cli.show import facts, usd

    with connect() as client:
        found = client.get("/budget", reconcile=reconcile or None)
    lines: dict[str, str | None] = {name: _period(found[name]) for name in ("today", "month")}
    lines |= {
        kind["type"]: f"{usd(kind['today_usd'])} today, {usd(kind['month_usd'])} this month"
        for kind in found["by_type"]
    }
    for price in found["prices"]:
        lines[f"price at {price['endpoint']}"] = f"{usd(price['usd_per_second'])} a second ({price['source']})"
    for day in found["reconciliation"] or []:
        lines[day["day"]] = f"ledger {usd(day['ledger_usd'])}, billed {usd(day['billed_usd'])}"
    lines["held"] = f"{found['held_jobs']} jobs wait for money" if found["held_jobs"] else None
    facts(found, lines | {"bill": found["reconciliation_message"]}, as_json=as_json)


def _period(period: dict[str, Any]) -> str:
    from control_plane.cli.show import usd

    spent = f"{usd(period['spent_usd'])} spent, {usd(period['reserved_usd'])} reserved"
    return (
        spent if period["cap_usd"] is None else f"{spent}, {usd(period['left_usd'])} of {usd(period['cap_usd'])} left"
    )


def models(*, as_json: AsJson = False) -> None:
    """What jobs can be made with, under which licence, and what it needs."""
    from control_plane.cli.show import rows

    with connect() as client:
        found = client.get("/models")
    columns = {
        "model": lambda model: model["id"],
        "for": lambda model: ", ".join(model["job_types"]),
        "default": lambda model: ", ".join(model["default_for"]),
        "GPU": lambda model: f"{model['needs']['gpu_gb']:g} GB" if model["needs"]["gpu_gb"] else "none",
        "licence": lambda model: model["licence"]["id"],
    }
    rows(found, columns, as_json=as_json)


def twins(*, as_json: AsJson = False) -> None:
    """The people and things that were trained with TRAIN_TWIN."""
    from control_plane.cli.show import ago, plain, rows

    with connect() as client:
        found = client.get("/twins")
    columns = {
        "twin": lambda twin: twin["name"],
        "for": lambda twin: twin["base_model"],
        "trigger": lambda twin: plain(twin["trigger"]),
        "of": lambda twin: plain(f"{twin['subject']}, {twin['images']} pictures"),
        "consent": lambda twin: plain(twin["consent"]["who"]) if twin["consent"] else "none was stated",
        "made": lambda twin: ago(twin["created_at"]),
    }
    rows(found, columns, as_json=as_json)


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="Whose it is, or what for.")],
    *,
    scope: Annotated[
        list[KeyScope] | None,
        typer.Option(
            help="read, submit (make, cancel and retry jobs) or admin (everything); read and submit if unset."
        ),
    ] = None,
    per_minute: Annotated[
        int | None, typer.Option(min=1, help="Requests it may make in a minute; 6000 if unset.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is printed this once: only its digest is kept."""
    from control_plane.cli.show import line

    wanted = {"name": name, "scopes": scope, "requests_per_minute": per_minute}
    with connect() as client:
        made = client.post("/keys", {field: value for field, value in wanted.items() if value})
    if as_json:
        line(made)
    else:
        sys.stdout.write(f"{made['key']}\n")


@keys.command("list")
def list_keys(*, as_json: AsJson = False) -> None:
    """Every key there ever was."""
    from control_plane.cli.show import ago, plain, rows

    with connect() as client:
        found = client.get("/keys")
    columns = {
        "key": lambda key: key["id"],
        "name": lambda key: plain(key["name"]),
        "may": lambda key: ", ".join(key["scopes"]),
        "a minute": lambda key: str(key["requests_per_minute"]),
        "last used": lambda key: ago(key["last_used_at"]),
        "": lambda key: "revoked" if key["revoked_at"] else "",
    }
    rows(found, columns, as_json=as_json)


@keys.command("revoke")
def revoke_key(key: Annotated[str, typer.Argument(help="Its id: the part between the underscores.")]) -> None:
    """The key opens nothing any more."""
    with connect() as client:
        try:
            client.call("DELETE", f"/keys/{key.removeprefix('rushes_').partition('_')[0]}")
        except ApiError as refused:
            raise ApiError(f"{key.removeprefix('rushes_').partition('_')[0]}: {refused}", refused.code) from refused
