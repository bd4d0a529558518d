"""`/twins`: the LoRAs that were trained here, each with the consent it was made by."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from control_plane.api.problems import Problem
from control_plane.api.services import Services, Use
from control_plane.jobs.twins import twin_user
from shared.errors import Conflict
from shared.job_types import Consent
from shared.references import TWIN_NAME
from shared.twins import Twin, weights_key

router = APIRouter(tags=["twins"], responses={"4XX": {"model": Problem}, "5XX": {"model": Problem}})

Name = Annotated[str, Path(pattern=rf"^{TWIN_NAME.pattern}$")]


class TwinView(BaseModel):
    """A twin: put its name into `lora` of RENDER or IMG2VID and its trigger into the prompt."""

    name: str
    base_model: str = Field(description="Use it with this model, or the one that goes on from its clips.")
    base_revision: str | None
    trigger: str
    subject: str
    rank: int
    steps: int
    images: int
    bytes: int
    sha256: str
    created_at: str
    job_id: str = Field(description="The job that trained it; the twin stays when that job is deleted.")
    consent: Consent | None = Field(description="Who agreed to it, when, and what for.")
    url: str = Field(description="Signed: the weights, as safetensors.")


@router.get("/twins")
async def list_twins(services: Use) -> list[TwinView]:
    """Every twin, the newest first."""
    found = await asyncio.to_thread(services.twins.all)
    return [_view(services, twin) for twin in found]


@router.get("/twins/{name}")
async def get_twin(services: Use, name: Name) -> TwinView:
    """One twin."""
    return _view(services, await asyncio.to_thread(services.twins.find, name))


@router.delete("/twins/{name}", status_code=204)
async def delete_twin(services: Use, name: Name) -> Response:
    """Remove a twin and its statement; its name is free again. 409 while an unfinished job needs it."""
    if (user := services.table.ask(twin_user, name)) is not None:
        raise Conflict(f"Job {user[0]} uses that twin and is not finished", code="TWIN_IN_USE")
    await asyncio.to_thread(services.twins.find, name)
    await asyncio.to_thread(services.twins.remove, name)
    return Response(status_code=204)


def _view(services: Services, twin: Twin) -> TwinView:
    key, filename = weights_key(twin.name), f"{twin.name}.safetensors"
    shown = twin.model_dump(include=set(TwinView.model_fields) - {"created_at", "url"})
    return TwinView(
        **shown,
        created_at=twin.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        url=services.stores.current.signed_get(key, services.signed_url_seconds, filename),
    )
