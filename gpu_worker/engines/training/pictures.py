"""The pictures a twin is trained on: readable, large enough, each of them another one, cut to sizes the model makes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from gpu_worker.context import JobContext
from gpu_worker.engines.diffusion.pictures import fitted
from gpu_worker.engines.training.faces import CountFaces
from gpu_worker.media.pictures import open_picture
from shared.catalog.model import SizeRule
from shared.catalog.rules import nearest_size
from shared.errors import InvalidParams, MediaRefused
from shared.job_types import FEWEST_IMAGES, TrainTwinParams

ALIKE_BITS = 4
"""Of 64: pictures whose hashes differ in no more are one picture, saved or scaled another way."""
PERSON = "person"


@dataclass
class Pictures:
    """What is trained on, cut to size, in the order of the params. `digest` is of the files; `notes` for a person."""

    cut: list[Image.Image] = field(default_factory=list)
    digest: str = ""
    notes: list[str] = field(default_factory=list)


def chosen_pictures(
    params: TrainTwinParams, context: JobContext, sizes: SizeRule, count_faces: CountFaces | None
) -> Pictures:
    """The pictures of the params. Raises InvalidParams, naming each one at fault, when the job cannot be done."""
    is_person = params.subject == PERSON
    chosen, problems, hashes, files = Pictures(), list[str](), dict[int, str](), hashlib.sha256()
    for number, reference in enumerate(params.images):
        name, path = f"images[{number}]", context.input(reference)
        try:
            picture = open_picture(path)
        except MediaRefused as refused:
            problems.append(f"{name}: {refused.message}")
            continue
        files.update(_digest(path))
        size = nearest_size(sizes.buckets, *picture.size)
        if (small := _too_small(picture, size)) is not None:
            problems.append(f"{name}: {small}")
        elif (twin := _alike(mark := fingerprint(picture), hashes)) is not None:
            chosen.notes.append(f"{name} was left out: it is the same picture as {twin}")
        else:
            hashes[mark] = name
            if is_person and count_faces is not None:
                _look_for_faces(name, count_faces(picture), problems, chosen.notes)
            chosen.cut.append(fitted(picture, size, "crop"))
    if is_person and count_faces is None:
        chosen.notes.append("faces were not looked for: their detector, which comes with wav2lip, is not here")
    _refuse(problems, chosen)
    chosen.digest = files.hexdigest()
    return chosen


def fingerprint(picture: Image.Image) -> int:
    """64 bits that survive scaling and compression: whether each of 8x8 places is brighter than its neighbour.

    The "difference hash" of N. Krawetz, https://www.hackerfactor.com/blog/index.php?/archives/529-Kind-of-Like-That.html
    """
    grey = picture.convert("L").resize((9, 8), Image.Resampling.BOX).tobytes()
    bits = [grey[9 * row + column] > grey[9 * row + column + 1] for row in range(8) for column in range(8)]
    return sum(1 << place for place, brighter in enumerate(bits) if brighter)


def _look_for_faces(name: str, count: int, problems: list[str], notes: list[str]) -> None:
    if count == 0:
        problems.append(f"{name}: no face is to be seen; for what is no person, say in subject what it is")
    elif count > 1:
        notes.append(f"{name} shows {count} faces: the twin may mix them")


def _refuse(problems: list[str], chosen: Pictures) -> None:
    if not problems and len(chosen.cut) < FEWEST_IMAGES:
        left = f"images: only {len(chosen.cut)} different pictures are left, and {FEWEST_IMAGES} are needed"
        problems = [left, *chosen.notes]
    if problems:
        raise InvalidParams("; ".join(problems)[:450].rstrip(".") + ".")


def _too_small(picture: Image.Image, size: tuple[int, int]) -> str | None:
    least = min(size) // 2
    if min(picture.size) >= least:
        return None
    return f"{picture.width}x{picture.height} is too small: {least} pixels a side are the least"


def _alike(mark: int, hashes: dict[int, str]) -> str | None:
    return next((name for other, name in hashes.items() if (mark ^ other).bit_count() <= ALIKE_BITS), None)


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
