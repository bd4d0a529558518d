"""`python -m tests.soak --seconds 3600`: exit 1 when anything grew, stayed or was lost."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.soak.soak import Soak


def say(line: str) -> None:
    """A line for a person."""
    sys.stdout.write(line + "\n")


def main() -> None:
    """Print what happened."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=20261121)
    asked = parser.parse_args()
    with TemporaryDirectory(prefix="soak-") as folder:
        outcome = Soak(Path(folder), asked.seed).run(asked.seconds)
    for name, counted in (("jobs", outcome.jobs), ("faults", outcome.faults)):
        say(f"{name}: {counted.total()}: {', '.join(f'{n} {what}' for what, n in sorted(counted.items()))}")
    say(f"after a quarter: {outcome.early}\nat the end:      {outcome.late}")
    for wrong in outcome.wrong:
        say(f"WRONG: {wrong}")
    sys.exit(1 if outcome.wrong else 0)


if __name__ == "__main__":
    main()
