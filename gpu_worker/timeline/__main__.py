"""`python -m gpu_worker.timeline`: films from local files, and timelines from and to OpenTimelineIO."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from shared.errors import InvalidParams, RushesError
from shared.timeline import Timeline
from shared.timeline.locations import spell


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say; 1 and a sentence when it cannot be done, 130 when somebody stopped it."""
    chosen = _parser().parse_args(arguments)
    try:
        notes = {"stitch": _stitch, "otio-import": _import, "otio-export": _export}[chosen.command](chosen)
    except RushesError as error:
        return _failed(error.message)
    except ValidationError as error:
        first = error.errors()[0]
        return _failed(f"{spell(first['loc'])}: {first['msg']}".removeprefix(": "))
    except OSError as error:
        return _failed(f"{Path(error.filename or chosen.source).name}: {error.strerror or error}")
    except ModuleNotFoundError as missing:
        return _failed(f"This needs the library {missing.name}: pip install {missing.name}")
    except KeyboardInterrupt:
        return 130
    sys.stderr.writelines(f"{note}\n" for note in notes)
    return 0


def _failed(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return 1


def _stitch(chosen: argparse.Namespace) -> Sequence[str]:
    from gpu_worker.timeline.stitch import stitch

    notes: list[str] = []
    stitch(_read(chosen.source), chosen.target, note=notes.append)
    return notes


def _read(path: Path) -> dict[str, Any]:
    try:
        timeline = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as problem:
        raise InvalidParams(f"{path.name} is not JSON: {problem}.") from problem
    if not isinstance(timeline, dict):
        raise InvalidParams(f"{path.name} holds no timeline, which is an object with clips or tracks.")
    return timeline


def _import(chosen: argparse.Namespace) -> Sequence[str]:
    from gpu_worker.timeline.interchange import from_otio

    found = from_otio(chosen.source, dict(chosen.file))
    chosen.target.write_text(found.timeline.model_dump_json(indent=2, exclude_defaults=True) + "\n", "utf-8")
    return found.notes


def _export(chosen: argparse.Namespace) -> Sequence[str]:
    from gpu_worker.timeline.interchange import to_otio

    timeline = Timeline.model_validate_json(chosen.source.read_bytes())
    return to_otio(timeline, chosen.target, dict(chosen.length))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gpu_worker.timeline", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    stitch = commands.add_parser("stitch", help="a timeline whose urls are paths of local files → a film")
    read = commands.add_parser("otio-import", help="an .otio file → a timeline")
    write = commands.add_parser("otio-export", help="a timeline → an .otio file")
    for command in (stitch, read, write):
        command.add_argument("source", type=Path)
        command.add_argument("target", type=Path)
    read.add_argument("--file", type=_named, action="append", default=[], metavar="NAME=ADDRESS",
                      help="where a file that the .otio names has been uploaded")  # fmt: skip
    write.add_argument("--length", type=_long, action="append", default=[], metavar="ADDRESS=SECONDS",
                       help="how long a file is whose clips name no end")  # fmt: skip
    return parser


def _named(text: str) -> tuple[str, str]:
    name, equals, address = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError("write NAME=ADDRESS")
    return name, address


def _long(text: str) -> tuple[str, float]:
    address, _, seconds = text.rpartition("=")
    return address, float(seconds)


if __name__ == "__main__":
    sys.exit(main())
