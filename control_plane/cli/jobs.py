"""The commands about jobs. They speak to a server by its API: `RUSHES_URL`, else the one of this folder's settings."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from math import inf
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID, uuid4

import typer

from control_plane.cli.client import Client, Job
from control_plane.cli.files import Uploads, download
from control_plane.cli.options import AsJson, Ids, connect
from control_plane.cli.params import PLACEHOLDER, Params, parse, read, turn_files
from control_plane.cli.watching import OutOfTime, Watch, all_events
from control_plane.cli.words import Exit, UsageError, say
from shared.job_types import JobType
from shared.states import JobStatus

Type = Annotated[JobType, typer.Argument(help="What kind of job.", case_sensitive=False)]
Pairs = Annotated[
    list[str] | None,
    typer.Argument(
        help="Params: key=value, output.resolution=720p, clips[0].url=a.mp4, key:=JSON. Local files upload."
    ),
]
File = Annotated[
    str | None, typer.Option("--file", "-f", help="Params as a JSON file; - reads them. Files in it are beside it.")
]
Wait = Annotated[bool, typer.Option("--wait", "-w", help="Watch it to its end.")]
Seconds = Annotated[
    float | None, typer.Option("--timeout", min=0, help="Give up waiting after this many seconds: exit code 4.")
]


def submit(
    job_type: Type,
    pairs: Pairs = None,
    *,
    file: File = None,
    wait: Wait = False,
    timeout: Seconds = None,
    priority: Annotated[int, typer.Option(min=-100, max=100, help="Higher goes first.")] = 0,
    label: Annotated[list[str] | None, typer.Option(help="name=value; may be given again.")] = None,
    max_cost_usd: Annotated[float | None, typer.Option(min=0, help="What it may cost over all attempts.")] = None,
    webhook_url: Annotated[str | None, typer.Option(help="Is told when the job has finished.")] = None,
    idempotency_key: Annotated[str | None, typer.Option(help="The same key is the same job; made up if unset.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a job. Prints its id; with --wait, its output addresses once it is done."""
    params, folder = _params(pairs, file)
    body: dict[str, Any] = {"type": job_type, "priority": priority, "labels": _labels(label)}
    body |= {"max_cost_usd": max_cost_usd, "webhook_url": webhook_url}
    with connect() as client:
        body["params"] = _with_uploads(client, body, params, folder)
        made = client.post("/jobs", body, key=idempotency_key or str(uuid4()))
        _announce([made], wait=wait, as_json=as_json)
        if wait:
            _follow(client, [made["job_id"]], timeout, as_json=as_json)


def _params(pairs: list[str] | None, file: str | None) -> tuple[Params, Path]:
    stored = read(file, sys.stdin.read) if file else None
    return parse(pairs or [], stored), Path(file).parent if file and file != "-" else Path()


def _labels(given: list[str] | None) -> dict[str, str]:
    for label in given or []:
        if "=" not in label:
            raise UsageError(f"{label!r} is not name=value")
    return dict(label.split("=", 1) for label in given or [])


def _with_uploads(client: Client, body: dict[str, Any], params: Params, folder: Path) -> Params:
    """Nothing is uploaded for a job that would be refused."""
    dry: Params = turn_files(params, lambda _: PLACEHOLDER, folder)
    if dry == params:
        return params
    client.post("/estimate", body | {"params": dry})
    from control_plane.cli.board import Transfers

    with Transfers() as transfers:
        uploads = Uploads(client, transfers.file)
        uploaded: Params = turn_files(params, uploads.address, folder)
    return uploaded


def _announce(made: list[Job], *, wait: bool, as_json: bool) -> None:
    from control_plane.cli.show import is_for_a_person, line

    for job in made:
        if as_json:
            line(job)
        elif not wait or is_for_a_person(as_json=False):
            sys.stdout.write(f"{job['job_id']}\n")
            sys.stdout.flush()


def watch(
    ids: Annotated[list[UUID] | None, typer.Argument(help="Jobs; all that happens from now on, if none.")] = None,
    *,
    timeout: Seconds = None,
    as_json: AsJson = False,
) -> None:
    """Follow jobs to their end: bars at a terminal, else a line of JSON for each change. Outlives a restart."""
    from control_plane.cli.show import line

    with connect() as client:
        if ids:
            _follow(client, list(dict.fromkeys(map(str, ids))), timeout, as_json=as_json)
        else:
            all_events(client, line)


def _follow(client: Client, ids: list[str], timeout: float | None, *, as_json: bool) -> None:
    """Ends the command: 0 when all have succeeded, 1 when one has not, 4 when there was no more time."""
    from control_plane.cli.show import is_for_a_person, line

    person = is_for_a_person(as_json=as_json)
    if person:
        from control_plane.cli.board import Board

        board = Board(ids)
    watching = Watch(client, ids, board.tell if person else line, inf if timeout is None else timeout)
    try:
        with board if person else nullcontext():
            ended = watching.run()
    except OutOfTime:
        say("Not finished yet: the jobs go on")
        raise typer.Exit(Exit.TIMEOUT) from None
    except KeyboardInterrupt:
        say(f"The jobs go on: rushes watch {' '.join(ids)}")
        raise typer.Exit(130) from None
    if person:
        _tell_ends(client, ids)
    failed = any(state["status"] != JobStatus.SUCCEEDED for state in ended.values())
    raise typer.Exit(Exit.JOB_FAILED if failed else Exit.DONE)


def _tell_ends(client: Client, ids: list[str]) -> None:
    for job in reversed(client.jobs(ids)):
        for url in job["output_urls"]:
            sys.stdout.write(f"{url}\n")
        if job["error"]:
            say(f"{job['job_id']}: {job['error_code']}: {job['error']}")


def listing(
    *,
    status: Annotated[JobStatus | None, typer.Option(case_sensitive=False)] = None,
    job_type: Annotated[JobType | None, typer.Option("--type", case_sensitive=False)] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Jobs, newest first."""
    from control_plane.cli.show import JOB_COLUMNS, rows

    with connect() as client:
        rows(_pages(client, status, job_type, limit), JOB_COLUMNS, as_json=as_json)


def _pages(client: Client, status: JobStatus | None, job_type: JobType | None, limit: int) -> list[Job]:
    found: list[Job] = []
    while len(found) < limit:
        page_size = min(limit - len(found), 200)
        cursor = found[-1]["job_id"] if found else None
        page = client.get("/jobs", limit=page_size, status=status, type=job_type, cursor=cursor)
        found += page
        if len(page) < page_size:
            break
    return found


def show(ids: Ids, *, as_json: AsJson = False) -> None:
    """All about a job."""
    from control_plane.cli.show import facts, job_facts

    with connect() as client:
        for job_id in ids:
            job = client.get(f"/jobs/{job_id}")
            facts(job, job_facts(job), as_json=as_json)


def cancel(ids: Ids, *, as_json: AsJson = False) -> None:
    """Stop jobs. A running one is CANCELED once nothing is paid for any more: watch it."""
    from control_plane.cli.show import is_for_a_person, line

    with connect() as client:
        for job_id in ids:
            told = client.post(f"/jobs/{job_id}/cancel")
            if is_for_a_person(as_json=as_json):
                sys.stdout.write(f"{job_id}: {told['stage_message']}\n")
            else:
                line(told)


def retry(ids: Ids, *, wait: Wait = False, timeout: Seconds = None, as_json: AsJson = False) -> None:
    """Make finished jobs again, as new ones. Prints their ids."""
    with connect() as client:
        made = [client.post(f"/jobs/{job_id}/retry", key=str(uuid4())) for job_id in ids]
        _announce(made, wait=wait, as_json=as_json)
        if wait:
            _follow(client, [job["job_id"] for job in made], timeout, as_json=as_json)


def delete(
    ids: Ids,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Forget finished jobs and remove their outputs."""
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("This removes outputs for good: say --yes")
        typer.confirm(f"Remove {len(ids)} job{'s' * (len(ids) > 1)} with all outputs for good?", abort=True, err=True)
    with connect() as client:
        for job_id in ids:
            client.call("DELETE", f"/jobs/{job_id}")


def fetch(
    ids: Ids,
    *,
    to: Annotated[
        Path, typer.Option("--to", help="Folder; with several jobs each gets one of its own in it.")
    ] = Path(),
    as_json: AsJson = False,
) -> None:
    """Download the outputs of jobs, checked by their SHA-256. Prints where they lie."""
    from control_plane.cli.board import Transfers
    from control_plane.cli.show import line

    with connect() as client:
        for job_id in map(str, ids):
            with Transfers() as transfers:
                files = list(download(client, job_id, to / job_id if len(ids) > 1 else to, transfers.named))
            for file in files:
                if as_json:
                    line({"job_id": job_id, "file": str(file)})
                else:
                    sys.stdout.write(f"{file}\n")


def estimate(job_type: Type, pairs: Pairs = None, *, file: File = None, as_json: AsJson = False) -> None:
    """How long a job would take and what it would cost. Nothing is uploaded or made."""
    from control_plane.cli.show import facts, usd

    params, folder = _params(pairs, file)
    dry = turn_files(params, lambda _: PLACEHOLDER, folder)
    with connect() as client:
        found = client.post("/estimate", {"type": job_type, "params": dry})
    basis = f"{found['samples']} of your own jobs" if found["basis"] == "history" else "a guess: too few jobs yet"
    lines: dict[str, str | None] = {
        "seconds": f"{found['low_seconds']:g} to {found['high_seconds']:g}",
        "cost": f"{usd(found['low_usd'])} to {usd(found['high_usd'])}",
        "at most": usd(found["worst_case_usd"]),
        "from": basis,
    }
    facts(found, lines, as_json=as_json)
