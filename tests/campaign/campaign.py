"""One campaign: jobs go in, everything that can go wrong does, and at the end the truth is compared with the table."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout

from control_plane.jobs import queries
from control_plane.jobs.database import connect
from shared.storage.local import LocalStore
from tests.campaign.audit import Evidence, Intake, audit, is_shared, trace
from tests.campaign.ledger import seen as seen_in_the_books
from tests.campaign.plane import API_KEY, Life, PlaneProcess, fault_points, free_port
from tests.campaign.trouble import DISK_FULL, STORE_DOWN, UNREACHABLE, Trouble
from tests.campaign.violation import EVERY_FAULT_POINT, TIMING, Violation
from tests.standins.fleet import Fleet, Terms

SUBMIT = {"type": "TTS", "params": {"text": "hello"}}
MAX_ATTEMPTS = 4
CALLBACKS = "callbacks"
OUTAGES = {STORE_DOWN: 5.0, DISK_FULL: 1.0, UNREACHABLE: 3.0, CALLBACKS: 5.0}
"""What fails altogether, and for how many seconds at most."""


@dataclass(frozen=True)
class Plan:
    """What to do; times in seconds. `claims` and `lease_wait` switch a safeguard off: then duplicates must be found."""

    seed: int
    jobs: int
    kills: int
    claims: bool = True
    lease_wait: bool = True
    outages: bool = True
    odds: dict[str, float] = field(default_factory=dict)
    terms: Terms = field(default_factory=Terms)
    skew: float = 1.0
    last_weather: float = 10.0
    patience: float = 90.0


@dataclass
class Report:
    """What was injected, what was seen, what was broken."""

    plan: Plan
    seconds: float
    injected: Counter[str]
    seen: Counter[str]
    violations: list[Violation]
    trace: str = ""

    @property
    def unsafe(self) -> list[Violation]:
        """What may never be, however busy the machine is."""
        return [violation for violation in self.violations if violation.promise not in TIMING]

    def table(self) -> str:
        """For a person to read."""
        lines = [f"seed {self.plan.seed}, {self.seconds:.0f} s"]
        for title, counts in (("injected", self.injected), ("seen", self.seen)):
            lines += ["", title, *(f"  {count:6} {name}" for name, count in sorted(counts.items()) if count)]
        broken = Counter(violation.promise for violation in self.violations)
        lines += ["", "broken", *(f"  {count:6} {promise}" for promise, count in broken.items())]
        if not broken:
            lines.append("       none")
        if self.violations:
            lines += ["", *(f"{v.promise}: {v.what} {v.job_id}" for v in self.violations[:20]), "", self.trace]
        return "\n".join(lines)


async def run(plan: Plan, folder: Path) -> Report:
    """The whole of it, in an empty folder."""
    port, reservation = free_port()
    trouble = Trouble(plan.seed, folder, plan.odds)
    terms = replace(plan.terms, obeys_claims=plan.claims)
    with contextlib.closing(reservation):
        async with Fleet(folder / "data/objects", trouble, terms, f"http://127.0.0.1:{port}") as fleet:
            return await Campaign(plan, folder, fleet, port).run()


class Campaign:
    """The driver: a client that submits and cancels, and whoever pulls the plug."""

    def __init__(self, plan: Plan, folder: Path, fleet: Fleet, port: int) -> None:
        self._plan = plan
        self._folder = folder
        self._fleet = fleet
        self._trouble = fleet.trouble
        self._url = f"http://127.0.0.1:{port}"
        self._intake = Intake()
        self._clients: set[asyncio.Task[None]] = set()
        self._surprises: list[str] = []
        self._submitted = 0
        self._kills = 0
        self._unreached = set(fault_points())
        self._life = Life(
            folder=str(folder),
            port=port,
            public_url=fleet.public_url,
            endpoint_url=fleet.url,
            endpoint_key=fleet.key,
            skew=plan.skew if plan.lease_wait else -plan.terms.lease,
            start_within=20.0,
            in_flight=2 * plan.terms.workers,
            max_attempts=MAX_ATTEMPTS,
        )

    async def run(self) -> Report:
        """Trouble, then calm, then the verdict."""
        began = time.monotonic()
        headers = {"Authorization": f"Bearer {API_KEY}"}
        log = self._folder / "plane.log"
        async with (
            ClientSession(self._url, headers=headers, timeout=ClientTimeout(total=5)) as self._session,
            PlaneProcess(self._life, log) as self._plane,
        ):
            weather = asyncio.create_task(self._bad_weather())
            try:
                await self._short_lives()
                await self._last_life()
            finally:
                weather.cancel()
                await asyncio.gather(weather, return_exceptions=True)
            self._clear_up()
            settled = await self._settle()
            for client in self._clients:
                client.cancel()
            await asyncio.gather(*self._clients, return_exceptions=True)
        return self._verdict(time.monotonic() - began, log, settled=settled)

    # The plug

    async def _short_lives(self) -> None:
        """First ones that end at the fault points, each in its turn, then at any point or at any moment."""
        trouble, plan = self._trouble, self._plan
        points = fault_points()
        while self._kills < plan.kills or (self._unreached and self._kills < 2 * plan.kills):
            armed = self._unreached or ({trouble.choice(points)} if trouble.between(0, 1) < 0.5 else set())
            await self._plane.start(armed, 1 if self._unreached else int(trouble.between(1, 10)))
            self._submit(round(plan.jobs * min(self._kills + 1, plan.kills) / (plan.kills + 1)) - self._submitted)
            reached = await self._plane.ends_within(2.0 if armed else trouble.between(0.1, 1.5))
            if reached is None:
                await self._plane.kill()
            self._unreached.discard(reached or "")
            self._kills += 1
            trouble.injected[f"SIGKILL at {reached}" if reached else "SIGKILL at a random moment"] += 1

    async def _last_life(self) -> None:
        """It has to come through bad weather by itself, for no restart will help it. Its jobs meet it, all of them."""
        await self._plane.start()
        self._submit(self._plan.jobs - self._submitted)
        while len(self._intake.accepted) < self._plan.jobs and not self._surprises:
            await self._plane.ends_within(0.1)
        await asyncio.sleep(self._plan.last_weather)

    async def _bad_weather(self) -> None:
        """The store, the disk, the endpoint and the way back from it fail for a while, one after another."""
        trouble = self._trouble
        while self._plan.outages:
            await asyncio.sleep(trouble.between(0.5, 3))
            what = trouble.choice([*OUTAGES])
            trouble.injected[f"outage: {what}"] += 1
            self._set(what, down=True)
            await asyncio.sleep(trouble.between(0.2, OUTAGES[what]))
            self._set(what, down=False)

    def _set(self, what: str, *, down: bool) -> None:
        if what == CALLBACKS:
            self._trouble.callbacks_down = down
        elif down:
            (self._folder / what).touch()
        else:
            (self._folder / what).unlink(missing_ok=True)

    def _clear_up(self) -> None:
        for what in OUTAGES:
            self._set(what, down=False)
        self._trouble.calm = True

    # The client

    def _submit(self, jobs: int) -> None:
        for _ in range(jobs):
            key = f"job-{self._submitted}"
            self._submitted += 1
            times = 2 if self._trouble.strikes("person submits twice") else 1
            cancels = self._trouble.between(0, 4) if self._trouble.strikes("person cancels") else None
            for _ in range(times):
                self._spawn_client(key, cancels)

    def _spawn_client(self, key: str, cancels: float | None) -> None:
        client = asyncio.create_task(self._client(key, cancels))
        self._clients.add(client)
        client.add_done_callback(self._client_left)

    def _client_left(self, client: asyncio.Task[None]) -> None:
        self._clients.discard(client)
        if not client.cancelled() and (error := client.exception()) is not None:
            self._surprises.append(repr(error))

    async def _client(self, key: str, cancels: float | None) -> None:
        answer = await self._insist("/jobs", SUBMIT, {"Idempotency-Key": key})
        job_id = answer["job_id"]
        if self._intake.accepted.setdefault(key, job_id) != job_id:
            self._intake.contradicted.append(job_id)
        if cancels is not None:
            await asyncio.sleep(cancels)
            self._intake.cancel_asked_at.setdefault(job_id, time.time())
            await self._insist(f"/jobs/{job_id}/cancel", None, {})

    async def _insist(self, path: str, body: Any, headers: dict[str, str]) -> dict[str, Any]:
        """Ask until there is an answer: a plane that is down or in trouble is asked again."""
        while True:
            with contextlib.suppress(ClientError, TimeoutError, ConnectionError):
                async with self._session.post(path, json=body, headers=headers) as answer:
                    if answer.status < 500:
                        assert answer.status in (200, 202, 409), await answer.text()
                        found: dict[str, Any] = await answer.json()
                        return found
            await asyncio.sleep(self._trouble.between(0.05, 0.3))

    # The end

    async def _settle(self) -> bool:
        """Wait until every job is terminal and the fleet has nothing to do."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._plan.patience):
                while self._clients or not self._fleet.is_idle or self._is_open():
                    await self._plane.ends_within(0.1)
                return True
        return False

    def _is_open(self) -> bool:
        """A job has not ended, or what one cost is not known for good."""
        conn = connect(self._folder / "data/rushes.db", read_only=True)
        try:
            counts = queries.count_by_status(conn)
            return bool(counts.get("QUEUED") or counts.get("RUNNING") or queries.unmeasured(conn, 0, 1))
        finally:
            conn.close()

    def _verdict(self, seconds: float, log: Path, *, settled: bool) -> Report:
        store = LocalStore(self._folder / "data/objects")
        database = self._folder / "data/rushes.db"
        evidence = Evidence.gather(database, store, self._intake, self._fleet, MAX_ATTEMPTS)
        violations = audit(evidence)
        if not settled and not violations:
            violations.append(Violation("no job is stuck", "", "a client, a worker or the ledger still waits"))
        violations += [Violation("the API answers as promised", "", surprise) for surprise in self._surprises]
        for point in sorted(self._unreached) if self._plan.kills else ():
            violations.append(Violation(EVERY_FAULT_POINT, "", point))
        if "Traceback" in log.read_text():
            violations.append(Violation("the plane meets nothing unforeseen", "", _first_traceback(log.read_text())))
        seen = _seen(evidence) + seen_in_the_books(evidence.books, self._fleet)
        seen["kills"] = self._kills
        stories = [trace(evidence, job_id, log.read_text()) for job_id in {v.job_id for v in violations} - {""}]
        story = min(stories, key=len, default="")
        return Report(self._plan, seconds, self._trouble.injected, seen, violations, story)


def _seen(evidence: Evidence) -> Counter[str]:
    seen: Counter[str] = Counter(f"job {job.status}" for job in evidence.jobs.values())
    seen["jobs accepted"] = len(evidence.intake.accepted)
    seen["submissions accepted by the platform"] = len(evidence.fleet.jobs)
    for of_job in evidence.executions().values():
        seen["executions that held their job"] += len(of_job)
        seen["executions that shared their id"] += sum(is_shared(execution, of_job) for execution in of_job)
    for execution in evidence.fleet.executions:
        seen["duplicates stopped by the claim"] += "claim_lost" in execution.how
    for attempts in evidence.attempts.values():
        seen.update(f"attempt ended as {attempt.outcome}" for attempt in attempts)
    return seen


def _first_traceback(log: str) -> str:
    """Its last calls and its error."""
    lines = iter(log[log.index("Traceback") :].splitlines()[1:])
    calls = list(takewhile(lambda line: line.startswith(" "), lines))
    error = log[log.index("Traceback") :].splitlines()[1 + len(calls)]
    return "\n".join([*calls[-6:], error])
