"""`preview_url` of a running job: the newest small picture of what is being made, by signed URL as every file.

Signed, because a page shows it in an `<img>`, which sends no key. It stands below `/files/`, before the local store.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from control_plane.api.files import SAFE_HEADERS
from control_plane.api.services import Services, Use
from control_plane.dispatch.previews import Preview
from control_plane.jobs import queries
from shared.errors import NotFound
from shared.states import JobStatus
from shared.storage.signing import UrlSigner

router = APIRouter(include_in_schema=False)


@router.get("/files/previews/{job_id}/{name}")
async def read_preview(services: Use, job_id: str, name: str, request: Request) -> Response:
    """The newest picture, whichever one the address was made for."""
    signer: UrlSigner = request.app.state.signer
    signer.verify_get(f"previews/{job_id}/{name}", request.query_params)
    job = services.table.ask(queries.job_by_id, job_id)
    found = services.previews.of(job_id)
    if job is None or job.status is not JobStatus.RUNNING or found is None:
        raise NotFound("There is no preview now")
    return Response(found.jpeg, media_type="image/jpeg", headers=SAFE_HEADERS)


def preview_url(services: Services, job_id: str, seconds: int) -> str | None:
    """Another address for each picture, so that a page sees by it that there is a new one."""
    found: Preview | None = services.previews.of(job_id)
    if found is None:
        return None
    name = "-".join(str(part) for part in found.order)
    return services.files.signed_get(f"previews/{job_id}/{name}.jpg", seconds)
