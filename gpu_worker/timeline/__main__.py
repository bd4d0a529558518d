"""`python -m gpu_worker.timeline`: films from local files, and timelines from and to OpenTimelineIO."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from shared.errors import RushesError
from shared.timeline import Timeline


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say; 1 and a sentence when it cannot be done."""
    chosen = _parser().parse_args(arguments)
    try:
        notes = {"stitch": _stitch, "otio-import": _import, "otio-export": _export}[chosen.command](chosen)
    except RushesError as error:
        return _failed(error.message)
    except ValidationError as error:
        first = error.errors()[0]
        return _failed(f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
    except (OSError, json.JSONDecodeError) as error:
        return _failed(f"{error}")
    except ModuleNotFoundError as missing:
        return _failed(f"This needs the library {missing.name}: pip install {missing.name}")
    sys.stderr.writelines(f"{note}\n" for note in notes)
    return 0


def _failed(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return 1


def _stitch(chosen: argparse.Namespace) -> Sequence[str]:
    from gpu_worker.timeline.stitch import stitch_timeline

    timeline = json.loads(chosen.source.read_text("utf-8"))
    stitch_timeline(timeline.pop("clips", []), timeline.pop("captions", []), chosen.target, **timeline)
    return ()


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
