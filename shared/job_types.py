"""The job types and their params: one model each, one line in the union.

Adding a type is its name and params model here, and one file in `gpu_worker/job_types/`.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shared.references import MediaReference, check_lora
from shared.timeline import AspectRatio, Resolution, Timeline

Seed = Annotated[int, Field(ge=0, lt=2**32)]
Motion = Literal["zoom_in", "zoom_out", "pan_left", "pan_right", "pan_up", "pan_down", "rotate"]
ProfileName = Literal["exact", "fast", "draft"]
FrameFit = Literal["crop", "pad"]
SyncMode = Literal["loop", "freeze", "cut_off", "silence"]
SoundFormat = Literal["wav", "mp3", "aac"]
VoicePreset = Literal["default", "calm", "bright", "deep", "whisper", "narrator"]

Lora = Annotated[
    str,
    Field(max_length=200, description="The name of a twin, or the storage key of a LoRA in safetensors."),
    AfterValidator(check_lora),
]
Profile = Annotated[
    ProfileName, Field(description="`fast` and `draft` trade a little of the picture for time; GET /models says what.")
]
Fit = Annotated[FrameFit, Field(description="Of a picture of another aspect the edges are cut off, or bars are added.")]

Share = Annotated[float, Field(ge=0, le=1)]


FEWEST_IMAGES = 5
"""For a twin; fewer show too little of a face."""


class JobType(StrEnum):
    """What a job does."""

    RENDER = "RENDER"
    IMG2VID = "IMG2VID"
    TTS = "TTS"
    LIPSYNC = "LIPSYNC"
    TRAIN_TWIN = "TRAIN_TWIN"
    EXPORT = "EXPORT"


class Params(BaseModel):
    """Unknown fields are refused: money must not be spent on a misspelled option."""

    model_config = ConfigDict(extra="forbid")


class Consent(Params):
    """A statement that the person shown or heard has agreed: kept with what is made of it, and shown with it."""

    who: Annotated[str, Field(min_length=2, max_length=200, description="Who agreed.")]
    when: Annotated[date, Field(description="The day they did, as 2026-11-21.")]
    what_for: Annotated[str, Field(min_length=2, max_length=500, description="What they agreed to.")]


class RenderParams(Params):
    """Text to video."""

    prompt: Annotated[str, Field(min_length=1, max_length=2000)]
    negative_prompt: Annotated[str, Field(max_length=2000)] = ""
    duration: Annotated[float, Field(ge=0.5, le=60)] = 5.0
    resolution: Resolution = "720p"
    aspect_ratio: AspectRatio = "16:9"
    model: Annotated[str, Field(max_length=100)] | None = None
    seed: Seed | None = None
    steps: Annotated[int, Field(ge=1, le=200)] | None = None
    guidance: Annotated[float, Field(ge=0, le=30)] | None = None
    lora: Lora | None = None
    profile: Profile = "exact"
    fit: Fit = "crop"


class Img2VidParams(Params):
    """A picture set in motion."""

    image_url: MediaReference
    prompt: Annotated[str, Field(max_length=2000)] = ""
    duration: Annotated[float, Field(ge=0.5, le=60)] = 5.0
    motion: Motion = "zoom_in"
    strength: Annotated[float, Field(gt=0, le=1)] = 0.5
    resolution: Resolution = "720p"
    aspect_ratio: AspectRatio = "16:9"
    fps: Annotated[int, Field(ge=8, le=60)] = 30
    model: Annotated[str, Field(max_length=100)] | None = None
    seed: Seed | None = None
    negative_prompt: Annotated[str, Field(max_length=2000)] = ""
    steps: Annotated[int, Field(ge=1, le=200)] | None = None
    guidance: Annotated[float, Field(ge=0, le=30)] | None = None
    lora: Lora | None = None
    profile: Profile = "exact"
    fit: Fit = "crop"


class TtsParams(Params):
    """Text to speech."""

    text: Annotated[str, Field(min_length=1, max_length=10_000)]
    voice_preset: VoicePreset = "default"
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] = "en"
    speed: Annotated[float, Field(ge=0.5, le=2.0)] = 1.0
    voice: Annotated[
        str | None,
        Field(
            pattern=r"^[A-Za-z0-9_+-]{1,40}$", description="One of the model's voices by name; GET /models lists them."
        ),
    ] = None
    format: Annotated[SoundFormat, Field(description="`aac` is a .m4a file. All are mono, at 48 kHz.")] = "wav"
    loudness: Annotated[
        float, Field(ge=-36, le=-9, description="Of the whole, in LUFS (EBU R 128); true peaks stay below -1 dBTP.")
    ] = -16.0
    reference_audio_url: Annotated[
        MediaReference | None, Field(description="A recording, 3 to 30 seconds of it, whose voice is cloned.")
    ] = None
    reference_text: Annotated[
        str | None, Field(min_length=1, max_length=1000, description="What is said in it; the copy is truer with it.")
    ] = None
    model: Annotated[str, Field(max_length=100)] | None = None
    consent: Consent | None = None


class LipsyncParams(Params):
    """A face made to speak a recording. `video_url` is a film, or a picture that is to speak."""

    video_url: MediaReference
    audio_url: MediaReference
    model: Annotated[str, Field(max_length=100)] | None = None
    face: Annotated[
        tuple[Share, Share] | None,
        Field(
            description="Of several faces the one nearest to this point: shares of the width and the height, from the "
            "top left. Unset: the largest."
        ),
    ] = None
    sync_mode: Annotated[
        SyncMode,
        Field(
            description="As long as the sound: a shorter film begins again (`loop`) or its last frame stays "
            "(`freeze`). `cut_off`: as long as the shorter of both. `silence`: as long as the film."
        ),
    ] = "loop"
    pad_bottom: Annotated[
        float,
        Field(ge=0, le=0.5, description="Taken in below the face, as a share of its height: more where a chin is cut."),
    ] = 0.04


class TrainTwinParams(Params):
    """A LoRA trained on pictures of one subject."""

    images: Annotated[list[MediaReference], Field(min_length=FEWEST_IMAGES, max_length=20)]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    trigger: Annotated[str, Field(min_length=2, max_length=40, description="The word that stands for them.")] = "ohwx"
    subject: Annotated[str, Field(min_length=2, max_length=100, description="What they are.")] = "person"
    model: Annotated[str, Field(max_length=100)] | None = None
    steps: Annotated[int, Field(ge=1, le=10_000)] | None = None
    rank: Annotated[int, Field(ge=1, le=256)] | None = None
    learning_rate: Annotated[float, Field(gt=0, le=0.1)] = 1e-4
    seed: Seed = 0
    consent: Consent | None = None


class ExportParams(Timeline):
    """A timeline stitched into a film."""


AnyParams = RenderParams | Img2VidParams | TtsParams | LipsyncParams | TrainTwinParams | ExportParams

PARAMS: dict[JobType, type[AnyParams]] = {
    JobType.RENDER: RenderParams,
    JobType.IMG2VID: Img2VidParams,
    JobType.TTS: TtsParams,
    JobType.LIPSYNC: LipsyncParams,
    JobType.TRAIN_TWIN: TrainTwinParams,
    JobType.EXPORT: ExportParams,
}


def parse_params(job_type: JobType, params: object) -> AnyParams:
    """The typed params of a job; pydantic's ValidationError when they are wrong."""
    return PARAMS[job_type].model_validate(params)
