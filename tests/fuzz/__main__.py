"""Fuzzing by a budget of time: `python -m tests.fuzz --seconds 60`, in four parts.

`api`: every operation of the OpenAPI description with schemathesis' checks. `captions`, `timeline` and `subtitles`: the
caption escaper, the timeline parser and the subtitle readers under atheris, which follows the branches taken. Exit 1
when any part finds something.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

PARTS = ("api", "captions", "timeline", "subtitles")


def main() -> None:
    """Run the parts one after another, each in a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each part")
    parser.add_argument("--seed", type=int, default=1, help="0 for another one each time")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[], metavar="|".join(PARTS))
    asked = parser.parse_args()
    failed = [part for part in asked.parts or PARTS if _run(part, asked.seconds, asked.seed)]
    if failed:
        sys.exit(f"found something: {', '.join(failed)}")


def _run(part: str, seconds: int, seed: int) -> int:
    sys.stderr.write(f"── {part}\n")
    return subprocess.call([sys.executable, "-m", f"tests.fuzz.{part}", str(seconds), str(seed)])


if __name__ == "__main__":
    main()
