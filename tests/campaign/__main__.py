"""`python -m tests.campaign`: a fault campaign for as long as you like."""

from __future__ import annotations

import argparse
import asyncio
import logging
import secrets
import sys
import tempfile
from pathlib import Path

from tests.campaign.campaign import Plan, run


def main() -> int:
    """Exit status 1 when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32), help="of the choices; another each time")
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument(
        "--without-claim", action="store_true", help="workers ignore a lost claim: must find duplicates"
    )
    parser.add_argument(
        "--without-lease-wait", action="store_true", help="the plane gives live workers up: must be found"
    )
    asked = parser.parse_args()
    logging.getLogger("gpu_worker").setLevel(logging.CRITICAL)
    sys.stdout.write(f"seed {asked.seed}: {asked.jobs} jobs, {asked.kills} kills. This takes a few minutes.\n")
    sys.stdout.flush()
    plan = Plan(
        asked.seed, asked.jobs, asked.kills, claims=not asked.without_claim, lease_wait=not asked.without_lease_wait
    )
    with tempfile.TemporaryDirectory(prefix="rushes-campaign-") as folder:
        report = asyncio.run(run(plan, Path(folder)))
    sys.stdout.write(report.table() + "\n")
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
