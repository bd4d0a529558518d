"""`python -m gpu_worker doctor`: is this machine fit?

`models list | show | fetch | where | convert | env`: what is here.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from gpu_worker.engines.speech.environment import make
from gpu_worker.fitness import examine
from gpu_worker.models.convert import convert
from gpu_worker.models.fetch import fetch
from gpu_worker.models.store import ModelStore, open_models
from gpu_worker.settings import WorkerSettings, hub_access
from shared.catalog import Catalog, catalog, find
from shared.catalog.model import Model
from shared.errors import RushesError

_GB = 10**9


def main() -> int:
    """Do what the command line says; 0 when that worked."""
    parser = argparse.ArgumentParser(prog="python -m gpu_worker")
    rooms = parser.add_subparsers(dest="room", required=True)
    rooms.add_parser("doctor", help="is this machine fit for jobs, and what is missing?")
    models = rooms.add_parser("models", help="weights on this machine").add_subparsers(dest="verb", required=True)
    models.add_parser("list", help="every model, and which are here")
    for verb, what in (("show", "all about one model"), ("where", "its folder"), ("fetch", "bring weights here")):
        models.add_parser(verb, help=what).add_argument("ids", nargs="+" if verb == "fetch" else 1, metavar="id")
    pickles = models.add_parser("convert", help="make safetensors of checkpoints you have, without running them")
    pickles.add_argument("ids", nargs=1, metavar="id")
    pickles.add_argument("files", nargs="+", type=Path, metavar="file")
    models.add_parser("env", help="make the environment of a speech engine").add_argument("engine")
    asked = parser.parse_args()
    settings = WorkerSettings()
    try:
        if asked.room == "doctor":
            return doctor(settings)
        return Models(open_models(settings), catalog(settings.model_catalog_dir)).do(asked)
    except RushesError as error:
        print(error.message, file=sys.stderr)  # noqa: T201 - this is a command
        return 1


def doctor(settings: WorkerSettings) -> int:
    """Say how every check came out; 1 when a worker would not start here."""
    unfit = False
    for finding in examine(settings):
        say(str(finding))
        unfit |= finding.verdict == "unfit"
    return int(unfit)


class Models:
    """The verbs."""

    def __init__(self, store: ModelStore, models: Catalog) -> None:
        self._store, self._models = store, models

    def do(self, asked: argparse.Namespace) -> int:
        """One command; its exit status."""
        match asked.verb:
            case "list":
                return self.list()
            case "show":
                return self.show(find(asked.ids[0], self._models))
            case "where":
                say(str(self._store.require(find(asked.ids[0], self._models)).folder))
                return 0
            case "env":
                say(f"{asked.engine} has its environment: {make(asked.engine, WorkerSettings())}")
                return 0
            case "convert":
                self.convert(find(asked.ids[0], self._models), asked.files)
                return 0
            case _:
                chosen = [find(name, self._models) for name in asked.ids]
                for model in chosen:
                    self.fetch(model)
                return 0

    def list(self) -> int:
        """A line a model, and the storage they take."""
        taken = 0
        say(f"{'id':24} {'for':16} {'GPU GB':>6} {'disk GB':>7}  {'licence: money?':15} here")
        for model in self._models.values():
            found = self._store.find(model)
            if found and found.place in ("folder", "volume"):
                taken += _bytes_in(found.folder)
            kinds = "+".join(model.job_types) or "first pictures"
            gpu = f"{model.memory.peak_gb:g}" if model.memory else "-"
            here = found.place if found else "" if model.source else "always"
            say(f"{model.id:24} {kinds:16} {gpu:>6} {model.disk_gb:7.1f}  {model.licence.commercial:15} {here}")
        say(f"\n{taken / _GB:.1f} GB of weights here; new ones go to {self._store.target()}")
        return 0

    def show(self, model: Model) -> int:
        """The catalog's words, and what is here of it."""
        say(model.model_dump_json(indent=2, exclude_none=True))
        found = self._store.find(model)
        if found:
            commit = found.revision or "unknown: put there by hand"
            say(f"\nHere: {found.folder} ({found.place}), commit {commit}, {_bytes_in(found.folder) / _GB:.1f} GB")
        elif model.source:
            say("\nNot here.")
        return 0

    def fetch(self, model: Model) -> None:
        """Bring one model here; huggingface_hub draws a bar for each large file."""
        licence = model.licence
        say(f"{model.title}: {model.disk_gb:.1f} GB, licence {licence.id} (commercial use: {licence.commercial})")
        if licence.says:
            say(licence.says)
        endpoint, token = hub_access()
        found = fetch(model, self._store, _progress, endpoint=endpoint, token=token)
        say(f"{model.id} is at {found.folder}, commit {found.revision}")

    def convert(self, model: Model, files: Sequence[Path]) -> None:
        """Put the weights of checkpoints into the model's folder."""
        folder = self._store.target() / model.id
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            target = folder / f"{file.stem}.safetensors"
            convert(file, target, model.id)
            say(f"{target}: {_bytes_in(folder) / _GB:.2f} GB in its folder now")


def _progress(file: str, done: int, total: int) -> None:
    share = 100 * done // max(1, total)
    say(f"{share:3} %  {done / _GB:6.2f} of {total / _GB:.2f} GB  {file}")


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def say(line: str) -> None:
    """A line for the person at the terminal."""
    print(line, flush=True)  # noqa: T201 - this is a command


if __name__ == "__main__":
    sys.exit(main())
