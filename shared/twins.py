"""Twins: LoRAs that jobs name. A twin is two objects in the store, `twins/<name>/twin.json` and its weights.

The card is put-if-absent and names the job that made it: of two jobs that train the same name, the first to finish
has it. A twin outlives its job; it is removed by its own name alone.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from pydantic import Field

from shared.job_types import Consent
from shared.wire import Message

PREFIX = "twins/"


def card_key(name: str) -> str:
    """Where the twin's `Twin` lies; whoever creates it has the name."""
    return f"{PREFIX}{name}/twin.json"


def weights_key(name: str) -> str:
    """Where its LoRA lies; `shared.references.lora_reference` leads here."""
    return f"{PREFIX}{name}/lora.safetensors"


class TwinCard(Message):
    """What a trainer knows of the twin it made."""

    name: str
    base_model: str = Field(description="The catalog's id of the model it was trained on; use it with that one.")
    base_repo: str | None
    base_revision: str | None
    trigger: str = Field(description="The word that stands for the subject in prompts.")
    subject: str
    rank: int
    steps: int
    images: int = Field(description="How many pictures it was trained on.")
    consent: Consent | None = Field(description="Who agreed to it, when, and what for.")


class Twin(TwinCard):
    """A twin as it is stored."""

    job_id: str
    created_at: datetime
    bytes: int
    sha256: str


def consent_hash(consent: Consent | None) -> str | None:
    """SHA-256 of the statement as JSON: a file that travels alone can be held against the statement it was made by."""
    return None if consent is None else hashlib.sha256(consent.model_dump_json().encode()).hexdigest()
