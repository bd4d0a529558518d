"""Holds the ledger against the stand-in's bill, second by second where the platform could be asked."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from control_plane.jobs import queries
from control_plane.jobs.records import AttemptBill, JobRecord, SubmissionRecord
from tests.campaign.violation import Violation
from tests.standins.fleet import Fleet

USD_PER_SECOND = 0.001
_EVER = ("0000-01-01", "9999-12-31")


@dataclass(frozen=True)
class Books:
    """What the ledger says at the end. Money in micro-dollars."""

    costs: dict[str, int]
    reserved: int
    spent: int
    bills: dict[str, list[AttemptBill]]
    submissions: dict[str, list[SubmissionRecord]]

    @classmethod
    def read(cls, conn: sqlite3.Connection, job_ids: list[str], now: int) -> Books:
        """All of it, by the questions the API asks."""
        spending = queries.spending(conn, *_EVER)
        return cls(
            costs=queries.costs_of_jobs(conn, job_ids, now),
            reserved=sum(row.reserved for row in spending),
            spent=sum(row.spent for row in spending),
            bills={job_id: queries.attempt_bills(conn, job_id, now) for job_id in job_ids},
            submissions={job_id: queries.submissions_of_job(conn, job_id) for job_id in job_ids},
        )


def audit_ledger(books: Books, jobs: dict[str, JobRecord], fleet: Fleet) -> Iterator[Violation]:
    """Nothing stays reserved, the sums agree, and what the platform measured is what was booked."""
    if all(job.status.is_terminal for job in jobs.values()) and books.reserved:
        yield Violation("nothing stays reserved", "", f"{books.reserved} micro-dollars")
    if books.spent != sum(books.costs.values()):
        yield Violation("the ledger adds up", "", f"{books.spent} by day, {sum(books.costs.values())} by job")
    for job_id, bills in books.bills.items():
        for bill in bills:
            yield from _attempt(job_id, bill, _of(books, job_id, bill), fleet)


def _of(books: Books, job_id: str, bill: AttemptBill) -> list[SubmissionRecord]:
    return [submission for submission in books.submissions[job_id] if submission.attempt == bill.number]


def _attempt(job_id: str, bill: AttemptBill, known: list[SubmissionRecord], fleet: Fleet) -> Iterator[Violation]:
    for submission in known:
        if submission.execution_ms is not None and submission.execution_ms not in fleet.bills[submission.runpod_id]:
            what = f"{submission.execution_ms} ms, the platform said {fleet.bills[submission.runpod_id]}"
            yield Violation("the ledger has the platform's figures", job_id, what)
    seconds = sum(-(-(submission.execution_ms or 0) // 1000) for submission in known)
    if bill.is_final and _is_measured(known) and bill.seconds != seconds:
        what = f"attempt {bill.number}: {bill.seconds} s booked, {seconds} s measured"
        yield Violation("the ledger equals the bill", job_id, what)


def _is_measured(known: list[SubmissionRecord]) -> bool:
    """Whether the platform could be asked about every id before it forgot, and one of them ran."""
    figures = [submission.execution_ms for submission in known]
    return None not in figures and any(figures)


def seen(books: Books, fleet: Fleet) -> Counter[str]:
    """The totals, in seconds."""
    found: Counter[str] = Counter()
    for job_id, bills in books.bills.items():
        for bill in bills:
            known = _of(books, job_id, bill)
            measured = _is_measured(known)
            billed = sum(-(-fleet.bills[s.runpod_id][-1] // 1000) for s in known if fleet.bills.get(s.runpod_id))
            found["attempts measured by the platform" if measured else "attempts booked by claim and result"] += 1
            found["seconds booked" if measured else "seconds booked by claim and result"] += bill.seconds
            found["seconds billed" if measured else "seconds billed for those"] += billed
    known_ids = {s.runpod_id for of_job in books.submissions.values() for s in of_job}
    unknown = [-(-figures[-1] // 1000) for runpod_id, figures in fleet.bills.items() if runpod_id not in known_ids]
    found["submissions whose id was never learnt"] = len(unknown)
    found["seconds billed under ids never learnt"] = sum(unknown)
    return found
