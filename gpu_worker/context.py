"""What a job type sees of the world: a folder, its inputs, and a way to say how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, Self

from shared.twins import TwinCard


class Report(Protocol):
    """Tell the person how far the job is: `progress` 0-100 within the run, `message` in plain words."""

    def __call__(self, stage: str, progress: int, message: str = "") -> None:
        """Send one report; cheap enough to call for every frame."""
        ...


@dataclass(frozen=True)
class Checkpoints:
    """Files that outlive a lost worker. `folder` has what earlier runs of this job kept, and need not exist."""

    folder: Path
    send: Callable[[Path, str], None]

    def keep(self, path: Path, name: str) -> None:
        """Send a finished file away under a plain name, in the background; the newest of a name stays."""
        self.send(path, name)

    @classmethod
    def none(cls) -> Self:
        """For work that is begun anew each time."""
        return cls(Path("nowhere"), lambda _path, _name: None)


Preview = Callable[[bytes], None]
"""Takes a small JPEG of what is being made, a few kilobytes; only the newest is kept."""


def nobody_looks(_jpeg: bytes) -> None:
    """The preview of a job that nobody watches."""


@dataclass(frozen=True)
class JobContext:
    """`workdir` is the job's own empty folder; `inputs` maps every reference in params to a local file."""

    workdir: Path
    inputs: dict[str, Path]
    report: Report
    model_dir: Path | None = None
    checkpoints: Checkpoints = field(default_factory=Checkpoints.none)
    preview: Preview = nobody_looks

    def input(self, reference: str) -> Path:
        """The local file of a reference that stands in params."""
        return self.inputs[reference]


@dataclass(frozen=True)
class ProducedFile:
    """A finished file in the workdir, to be uploaded under its own name. Times in seconds, sizes in pixels."""

    path: Path
    kind: Literal["video", "audio", "image", "model", "subtitles", "data"]
    content_type: str
    width: int | None = None
    height: int | None = None
    duration_seconds: float | None = None
    fps: float | None = None


@dataclass(frozen=True)
class Produced:
    """What a job type returns: its files, the main one first, and the engine that really made them.

    `retire`: the process should not take another job, its memory has grown. `twin`: the first file is a LoRA, to be
    known by the name on this card.
    """

    files: list[ProducedFile]
    engine: dict[str, Any] = field(default_factory=dict)
    retire: bool = False
    twin: TwinCard | None = None
