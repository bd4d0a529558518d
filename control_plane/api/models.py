"""`GET /models`: what jobs can be made with, under which licence, and what it needs."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from control_plane.api.problems import Problem
from control_plane.api.services import Use
from shared.catalog import Catalog
from shared.catalog.model import Licence, Model, Speech, Video
from shared.catalog.rules import longest_seconds
from shared.job_types import JobType, ProfileName

router = APIRouter(tags=["models"], responses={"4XX": {"model": Problem}})


class NeedsView(BaseModel):
    """What a worker must have, in GB: GPU memory to run whole and at least, and disk for the weights."""

    gpu_gb: float = Field(description="0: no GPU.")
    gpu_gb_off_loaded: float = Field(description="The least, much slower.")
    disk_gb: float


class VideoView(BaseModel):
    """What a video model makes. `sizes` are widths and heights; other sizes are cut and scaled from the nearest."""

    takes_text: bool
    takes_image: bool
    fps: int
    longest_seconds: float
    sizes: list[tuple[int, int]]
    steps: int
    guidance: float | None
    lora: bool
    profiles: dict[ProfileName, str] = Field(description="What each does to the picture; `exact` is the default.")


class SpeechView(BaseModel):
    """What a speech model speaks: languages by their tags, and its voices by language (`*`: in every one)."""

    languages: list[str]
    voices: dict[str, list[str]]
    clones: bool = Field(description="It speaks with the voice of `reference_audio_url`.")


class ModelView(BaseModel):
    """One model. `default_for` are the job types that take it when params name none."""

    id: str
    title: str
    job_types: list[JobType]
    default_for: list[JobType]
    engine: str
    note: str
    licence: Licence
    needs: NeedsView
    video: VideoView | None
    speech: SpeechView | None


@router.get("/models")
async def list_models(services: Use) -> list[ModelView]:
    """Every model that a job may name."""
    choice = services.model_choice
    defaults = {kind: model.id for kind in JobType if (model := choice.default(kind))}
    return [_view(model, choice.models, defaults) for model in choice.models.values() if model.job_types]


def _view(model: Model, models: Catalog, defaults: dict[JobType, str]) -> ModelView:
    memory = model.memory
    return ModelView(
        id=model.id,
        title=model.title,
        job_types=list(model.job_types),
        default_for=[kind for kind, name in defaults.items() if name == model.id],
        engine=model.engine,
        note=model.note,
        licence=model.licence,
        needs=NeedsView(
            gpu_gb=memory.peak_gb if memory else 0,
            gpu_gb_off_loaded=memory.offload_gb if memory else 0,
            disk_gb=round(model.disk_gb, 2),
        ),
        video=_video_view(model, model.video, models) if model.video else None,
        speech=_speech_view(model.speech) if model.speech else None,
    )


def _speech_view(speech: Speech) -> SpeechView:
    voices = {language: list(names) for language, names in speech.voices.items()}
    return SpeechView(languages=list(speech.languages), voices=voices, clones=speech.clones)


def _video_view(model: Model, video: Video, models: Catalog) -> VideoView:
    return VideoView(
        takes_text=video.takes_text or video.first_picture is not None,
        takes_image=video.takes_image,
        fps=video.fps,
        longest_seconds=round(longest_seconds(model, models), 2),
        sizes=list(video.size.buckets),
        steps=video.steps,
        guidance=video.guidance,
        lora=video.lora,
        profiles={name: profile.changes for name, profile in video.profiles.items()},
    )
