"""The models Rushes knows, as data: one small TOML file each, read by the plane and by the worker alike.

Adding a model is adding a file. What a file may say is `shared.catalog.model.Model`; what follows from it for a clip
that somebody wants is in `shared.catalog.rules`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from shared.catalog.model import Model
from shared.errors import NotFound
from shared.job_types import JobType

FOLDER = Path(__file__).parent


Catalog = Mapping[str, Model]


@cache
def catalog(own: Path | None = None) -> Catalog:
    """Every model by its id. `own` is a folder of the owner's files, which win over those that ship.

    ValueError where a file is wrong, or is not named after its model.
    """
    return MappingProxyType(_load(FOLDER) | (_load(own) if own else {}))


def find(model_id: str, models: Catalog) -> Model:
    """One model; NotFound, naming the ones there are, when there is none of this id."""
    try:
        return models[model_id]
    except KeyError:
        known = ", ".join(model.id for model in models.values() if model.job_types)
        raise NotFound(f"There is no model {model_id[:100]}. Known are: {known}.") from None


def default_for(job_type: JobType, models: Catalog) -> Model | None:
    """The model a job type takes when neither params nor settings name one; None where no model is involved."""
    return next((model for model in models.values() if job_type in model.default_for), None)


def _load(folder: Path) -> dict[str, Model]:
    models = {}
    for path in sorted(folder.glob("*.toml")):
        entry = Model.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        if entry.id != path.stem:
            msg = f"{path.name} describes {entry.id}"
            raise ValueError(msg)
        models[entry.id] = entry
    return models
