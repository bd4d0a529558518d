"""What is refused about twins and consent before money is spent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from control_plane.jobs.table import JobTable
from control_plane.jobs.twins import twin_user
from shared.catalog import Catalog
from shared.errors import FieldProblem, InvalidRequest, NotFound, StorageFailed
from shared.job_types import JobType
from shared.references import TWIN_NAME
from shared.storage.base import ObjectStore
from shared.twins import PREFIX, Twin, card_key, weights_key


@dataclass(frozen=True)
class TwinRules:
    """Twins in the store that new jobs write to. `require_consent`: the owner wants a statement from everybody."""

    store: ObjectStore
    table: JobTable
    models: Catalog
    require_consent: bool

    async def check(self, job_type: JobType, params: dict[str, Any]) -> None:
        """Raise InvalidRequest, naming the field, for a job without a consent it needs, one that would train a twin
        under a name that is taken, or one that wears a twin there is not or that was made for another model.
        """
        is_clone = job_type == JobType.TTS and params.get("reference_audio_url")
        if self.require_consent and not params.get("consent") and (is_clone or job_type == JobType.TRAIN_TWIN):
            what = "a cloned voice" if is_clone else "a twin"
            raise _problem(
                "consent", f"this server makes {what} only with a statement: who, when, what_for", "CONSENT_REQUIRED"
            )
        if job_type == JobType.TRAIN_TWIN:
            await self._check_name(params["name"])
        elif TWIN_NAME.fullmatch(name := params.get("lora") or ""):
            await self._check_lora(name, params.get("model"))

    def find(self, name: str) -> Twin:
        """The twin's card. Blocking. NotFound when there is no such twin, StorageFailed when it cannot be read."""
        found = self.store.get(card_key(name)) if TWIN_NAME.fullmatch(name) else None
        if found is None:
            raise NotFound(f"There is no twin {name[:64]}")
        try:
            return Twin.model_validate_json(found.body)
        except ValueError as damaged:
            raise StorageFailed(f"The card of the twin {name} is damaged", retryable=False) from damaged

    def all(self) -> list[Twin]:
        """Every twin that can be used, the newest first. Blocking; StorageFailed."""
        keys = {found.key for found in self.store.list(PREFIX)}
        names = [key.split("/")[1] for key in keys if key.endswith("/twin.json")]
        whole = [name for name in names if card_key(name) in keys and weights_key(name) in keys]
        return sorted(map(self.find, whole), key=lambda twin: twin.created_at, reverse=True)

    def remove(self, name: str) -> None:
        """Forget the twin: its name is free first, then its weights go. Blocking; StorageFailed."""
        self.store.delete(card_key(name))
        self.store.delete(weights_key(name))

    async def _check_name(self, name: str) -> None:
        user = self.table.ask(twin_user, name)
        is_taken = user is not None or await asyncio.to_thread(self.store.head, card_key(name)) is not None
        if is_taken:
            detail = f"there is a twin {name} already, or one in the making: choose another name, or delete it first"
            raise _problem("name", detail, "TWIN_EXISTS")

    async def _check_lora(self, name: str, model: str | None) -> None:
        try:
            twin = await asyncio.to_thread(self.find, name)
        except NotFound as unknown:
            raise _problem("lora", unknown.message, "UNKNOWN_TWIN") from unknown
        if model is not None and not self._fits(twin.base_model, model):
            raise _problem("lora", f"the twin {name} was trained on {twin.base_model}, not on {model}", "UNKNOWN_TWIN")

    def _fits(self, trained_on: str, model: str) -> bool:
        """A twin also fits the model that goes on from the pictures of the one it was trained on."""
        base = self.models.get(trained_on)
        return model in (trained_on, base.video.continued_by if base and base.video else None)


def _problem(field: str, detail: str, code: str) -> InvalidRequest:
    return InvalidRequest(f"{field}: {detail}", FieldProblem(f"/params/{field}", detail), code=code)
