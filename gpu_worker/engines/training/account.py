"""The finished LoRA, and what is said about it: in its own header, on the twin's card, in the job's result."""

from __future__ import annotations

from typing import Any

from gpu_worker.context import ProducedFile
from gpu_worker.engines.device import name_of
from gpu_worker.engines.training.checkpoint import State
from gpu_worker.engines.training.progress import Pace
from gpu_worker.engines.training.run import Training
from gpu_worker.engines.training.trainer import Trainer
from shared.twins import TwinCard, consent_hash


def lora_file(training: Training, trainer: Trainer) -> ProducedFile:
    """The file others load, with what it is in its header."""
    from safetensors.torch import save_file

    params, card = training.params, card_of(training)
    said = {
        "format": "pt",
        "base_model": card.base_model,
        "base_repo": card.base_repo,
        "base_revision": card.base_revision,
        "name": params.name,
        "trigger": params.trigger,
        "subject": params.subject,
        "rank": card.rank,
        "alpha": card.rank,
        "steps": card.steps,
        "images": card.images,
        "consent_sha256": consent_hash(params.consent),
    }
    path = training.context.workdir / "lora.safetensors"
    save_file(trainer.weights(), path, metadata={name: str(value) for name, value in said.items() if value is not None})
    return ProducedFile(path, "model", "application/octet-stream")


def card_of(training: Training) -> TwinCard:
    """What others may know of it."""
    params, model = training.params, training.ready.model
    return TwinCard(
        name=params.name,
        base_model=model.id,
        base_repo=model.source.repo if model.source else None,
        base_revision=training.loaded.weights.revision,
        trigger=params.trigger,
        subject=params.subject,
        rank=training.rank,
        steps=training.steps,
        images=len(training.pictures.cut),
        consent=params.consent,
    )


def said_of(training: Training, trainer: Trainer, state: State, pace: Pace, resumed: int, peak: int) -> dict[str, Any]:
    """What the result says about how the twin was made."""
    model, pictures = training.ready.model, training.pictures
    sizes = sorted({picture.size for picture in pictures.cut})
    said: dict[str, Any] = {
        "name": model.id,
        "model": model.title,
        "repo": model.source.repo if model.source else None,
        "revision": training.loaded.weights.revision,
        "licence": {"id": model.licence.id, "commercial": model.licence.commercial},
        "device": training.ready.device,
        "gpu": name_of(training.ready.device),
        "seed": state.seed,
        "steps": training.steps,
        "rank": training.rank,
        "learning_rate": training.params.learning_rate,
        "optimizer": trainer.optimizer_name,
        "caption": training.caption,
        "images": len(pictures.cut),
        "sizes": [f"{width}x{height}" for width, height in sizes],
        "losses": {str(step): round(loss, 5) for step, loss in state.losses.items()},
        "made": pictures.notes,
        "timings": training.timings,
    }
    optional = {
        "resumed_from_step": resumed or None,
        "seconds_per_step": round(pace.seconds_a_step, 4) if pace.seconds_a_step else None,
        "peak_gb": round(peak / 1e9, 2) if peak else None,
    }
    return said | {name: value for name, value in optional.items() if value is not None}
