"""A film laid out on its own grids: whole frames for the picture, samples for the sound. Data, no work.

Everything is counted, so lengths add up exactly: the film is the sum of its shots less the frames that neighbours
share in a transition.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gpu_worker.media.loudness import RATE
from gpu_worker.media.probe import MediaInfo
from shared.timeline import Clip, Look, Output, Overlay
from shared.timeline.captions import Caption, Title
from shared.timeline.output import Metadata
from shared.timeline.parts import Fit
from shared.timeline.sound import SoundMix


@dataclass(frozen=True)
class Source:
    """A local file and what it is."""

    path: Path
    media: MediaInfo


@dataclass(frozen=True)
class Shot:
    """`frames` of film made from `source`, from `start` seconds into it over `seconds` of it; the last `overlap`
    frames are shared with the next shot by `transition` (a name of `xfade`).

    `clip` says what is done to the picture. Of the shot's frames, `held` ones from frame `hold_at` on show the same
    frame. A shot without a source is black.
    """

    source: Source | None
    clip: Clip | None
    start: float
    seconds: float
    frames: int
    overlap: int = 0
    transition: str = "fade"
    fit: Fit = "contain"
    hold_at: int = 0
    held: int = 0


@dataclass(frozen=True)
class Layer:
    """Something over the film from frame `at` on, for `frames`: an overlay, or a full-frame shot of an upper track."""

    at: int
    frames: int
    source: Source
    picture: Overlay | Shot


@dataclass(frozen=True)
class Sound:
    """Part of the mix: `samples` from sample `at` of the film on, taken from `start` seconds into the source.

    `role` decides who steps back for whom: music and, if asked, clips for voices. `speed` keeps the pitch.
    `loop` repeats the stretch from `start` to `end` (seconds in the source), `reverse` plays it backwards from `end`.
    `volume` has that of all clips (`SoundMix.clips_volume`) in it. Fades are in samples.
    """

    source: Source
    role: Literal["clip", "voice", "music", "sfx"]
    at: int
    samples: int
    start: float = 0.0
    end: float | None = None
    volume: float = 1.0
    speed: float = 1.0
    reverse: bool = False
    loop: bool = False
    fade_in: int = 0
    fade_out: int = 0
    duck: float = 0.0


@dataclass(frozen=True)
class Film:
    """The whole film: sizes in pixels, times in seconds unless named frames or samples.

    `notes` are sentences about what was done that the person did not literally ask for; the result repeats them.
    """

    width: int
    height: int
    fps: int
    shots: tuple[Shot, ...]
    layers: tuple[Layer, ...] = ()
    sounds: tuple[Sound, ...] = ()
    captions: tuple[Caption, ...] = ()
    titles: tuple[Title, ...] = ()
    look: Look = field(default_factory=Look)
    lut: Path | None = None
    mix: SoundMix = field(default_factory=SoundMix)
    output: Output = field(default_factory=Output)
    metadata: Metadata = field(default_factory=Metadata)
    notes: tuple[str, ...] = ()

    @property
    def is_quick(self) -> bool:
        """A preview: what costs time and hardly shows at its size is left out."""
        return self.output.profile == "preview"

    @property
    def scaler(self) -> str | None:
        """How swscale makes pictures smaller or larger; None leaves it its own way, bicubic."""
        return "fast_bilinear" if self.is_quick else None

    @property
    def frames(self) -> int:
        """Length in frames."""
        return sum(shot.frames for shot in self.shots) - sum(shot.overlap for shot in self.shots[:-1])

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.frames / self.fps

    @property
    def samples(self) -> int:
        """Length of the sound."""
        return round(self.frames * RATE / self.fps)


@dataclass(frozen=True)
class Piece:
    """`frames` of a shot from its frame `first` on; the last `overlap` are shared with the next piece of the chunk."""

    shot: Shot
    first: int
    frames: int
    overlap: int = 0


@dataclass(frozen=True)
class Chunk:
    """Pieces that one ffmpeg holds open at a time; the chunk's first frame is frame `first` of the film.

    Chunks meet in plain cuts, so their frames are those of the film made in one go.
    """

    first: int
    pieces: tuple[Piece, ...]

    @property
    def frames(self) -> int:
        """Length in frames."""
        return sum(piece.frames for piece in self.pieces) - sum(piece.overlap for piece in self.pieces[:-1])
