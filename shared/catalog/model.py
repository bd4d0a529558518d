"""What the catalog says about a model. Memory and disk in GB (10^9 bytes), sizes in pixels, times in frames."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.job_types import JobType, ProfileName, VoicePreset

Engine = Literal["diffusers", "animatic", "camera_move", "espeak", "kokoro", "qwen3-tts", "wav2lip"]
Gigabytes = Annotated[float, Field(ge=0)]
Side = Annotated[int, Field(ge=16, le=8192)]


class Entry(BaseModel):
    """A misspelled field must not pass in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Entry):
    """Where the weights come from. A branch as `revision` is pinned to its commit when it is first fetched."""

    repo: str
    revision: str = "main"
    files: tuple[str, ...] = ("*.json", "*.safetensors", "*.txt", "*.model")
    pickled: Annotated[bool, Field(description="Published as pickles alone: fetching makes safetensors of them.")] = (
        False
    )
    disk_gb: Gigabytes


class Licence(Entry):
    """May it be used for money? `register`: after asking; `limits`: up to a size of business, see `says`."""

    id: str
    commercial: Literal["yes", "register", "limits", "no"]
    regions_excluded: tuple[str, ...] = ()
    url: str
    says: str = ""


class Memory(Entry):
    """GPU memory: what stays taken, the most while it runs, and the most with everything off-loaded."""

    resident_gb: Gigabytes
    peak_gb: Gigabytes
    offload_gb: Gigabytes


class FrameRule(Entry):
    """Legal frame counts are `every * n + plus`, from `least` to `most`."""

    every: Annotated[int, Field(ge=1)]
    plus: Annotated[int, Field(ge=0)]
    least: Annotated[int, Field(ge=1)]
    most: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _ends_are_legal(self) -> Self:
        if any((end - self.plus) % self.every for end in (self.least, self.most)) or self.least > self.most:
            msg = "least and most must be legal counts themselves"
            raise ValueError(msg)
        return self


class SizeRule(Entry):
    """The sizes a model makes, width and height, the one it was trained on first; sides are multiples."""

    multiple: Annotated[int, Field(ge=1)]
    buckets: Annotated[tuple[tuple[Side, Side], ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _buckets_are_legal(self) -> Self:
        if any(side % self.multiple for bucket in self.buckets for side in bucket):
            msg = f"the sides of a bucket must be multiples of {self.multiple}"
            raise ValueError(msg)
        return self


class Arguments(Entry):
    """What the pipeline's call names the things we set; empty where it has no such argument."""

    prompt: str = "prompt"
    negative: str = "negative_prompt"
    image: str = ""
    frames: str = "num_frames"
    width: str = "width"
    height: str = "height"
    steps: str = "num_inference_steps"
    guidance: str = "guidance_scale"
    fps: str = ""
    strength: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """All that the call must know."""
        return tuple(name for name in self.model_dump().values() if name)


class Part(Entry):
    """A component from a repository of its own, such as a motion adapter."""

    source: Source
    component_class: str


class Share(Entry):
    """`parts` are the same weights in every model of the `group`: they are loaded once."""

    group: str
    parts: tuple[str, ...]


class Profile(Entry):
    """One way to run a model. `changes` tells a person what it does to the picture."""

    changes: str
    compile: bool = False
    weights: Literal["full", "fp8", "int8"] = "full"
    cache: Literal["none", "pyramid", "faster", "first-block", "taylor"] = "none"
    steps: Annotated[int, Field(ge=1)] | None = None


class Video(Entry):
    """How a diffusers pipeline is called, and what it makes."""

    pipeline: str
    also_pipelines: Annotated[tuple[str, ...], Field(description="Classes its repository may be saved as.")] = ()
    dtype: Literal["float16", "bfloat16", "float32"]
    component_dtypes: dict[str, Literal["float16", "bfloat16", "float32"]] = {}
    fps: Annotated[int, Field(ge=1, le=60)]
    output: Literal["pil", "np"]
    progress: Literal["callback", "scheduler"] = "callback"
    denoisers: tuple[str, ...] = ("transformer",)
    blocks: Annotated[tuple[str, ...], Field(description="Classes compiled one by one; empty: not compiled.")] = ()
    frames: FrameRule
    size: SizeRule
    steps: Annotated[int, Field(ge=1)]
    guidance: float | None = None
    arguments: Arguments = Arguments()
    constants: dict[str, int | float | str | bool] = {}
    lora: bool = False
    tiling: Literal["always", "when_short", "never"] = "when_short"
    caches_prompt: Annotated[bool, Field(description="`encode_prompt` gives the two tensors the call takes.")] = False
    continued_by: Annotated[str | None, Field(description="The model that goes on from a clip's last frame.")] = None
    first_picture: Annotated[str | None, Field(description="The model that draws what this one sets in motion.")] = None
    share: Share | None = None
    parts: dict[str, Part] = {}
    profiles: dict[ProfileName, Profile]

    @property
    def takes_text(self) -> bool:
        """False for a model that sets a picture in motion and hears no words."""
        return bool(self.arguments.prompt)

    @property
    def takes_image(self) -> bool:
        """True when it needs a picture to start from."""
        return bool(self.arguments.image)


class Speech(Entry):
    """What a speech engine speaks. `languages` maps tags to the engine's own names, empty where they are the same;
    `voices` lists them by tag, the usual one first, those of every language under `*`.

    `clones`: it speaks with the voice of a recording and has none of its own. `paces`: it speaks slower or faster by
    itself; others are stretched afterwards. `longest` is the most characters in one go.
    """

    languages: Annotated[dict[str, str], Field(min_length=1)]
    voices: dict[str, tuple[str, ...]] = {}
    presets: dict[VoicePreset, str] = {}
    clones: bool = False
    paces: bool = True
    longest: Annotated[int, Field(ge=40)] = 400


class Model(Entry):
    """One file of the catalog. `source` is None for what needs no weights, `memory` for what needs no GPU."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    title: str
    job_types: tuple[JobType, ...]
    default_for: tuple[JobType, ...] = ()
    engine: Engine
    note: str = ""
    licence: Licence
    source: Source | None = None
    memory: Memory | None = None
    video: Video | None = None
    speech: Speech | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.engine == "diffusers") != (self.video is not None):
            msg = "diffusers models, and they alone, have [video]"
            raise ValueError(msg)
        if (JobType.TTS in self.job_types) != (self.speech is not None):
            msg = "models for TTS, and they alone, have [speech]"
            raise ValueError(msg)
        if not set(self.default_for) <= set(self.job_types):
            msg = "default_for names a job type the model does not do"
            raise ValueError(msg)
        return self

    @property
    def disk_gb(self) -> float:
        """All that has to be fetched."""
        parts = [part.source for part in self.video.parts.values()] if self.video else []
        return sum(source.disk_gb for source in (self.source, *parts) if source)
