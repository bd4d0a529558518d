"""The small picture of what is being made: from the worker, by callback or by `/status`, to whoever watches the job."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from shared.wire import MOST_PREVIEW_BYTES, Progress
from tests.integration.plane import Worker
from tests.integration.served import Served, served


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as running:
        yield running


def jpeg(colour: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (160, 90), colour).save(file, "JPEG")
    return file.getvalue()


def with_picture(progress: Progress, picture: bytes) -> dict[str, Any]:
    return progress.model_dump() | {"preview": base64.b64encode(picture).decode()}


async def running(api: Served) -> tuple[str, Worker]:
    job_id = await api.job_id()
    worker = await api.worker()
    worker.claim()
    return job_id, worker


async def tell(api: Served, worker: Worker, body: dict[str, Any]) -> None:
    assert (await api.client.post(f"/callbacks/{worker.message.token}", json=body)).status_code == 200


async def until(api: Served, job_id: str, progress: int) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while (job := await api.get(job_id))["progress"] != progress:
            await asyncio.sleep(0.01)
    return job


async def started(api: Served, job_id: str) -> None:
    async with asyncio.timeout(10):
        while (await api.get(job_id))["status"] != "RUNNING":
            await asyncio.sleep(0.01)


async def test_the_newest_is_shown_while_the_job_runs_and_is_gone_with_it(api: Served) -> None:
    job_id, worker = await running(api)
    await started(api, job_id)
    assert (await api.get(job_id))["preview_url"] is None
    await tell(api, worker, with_picture(worker.progress(1, 10), jpeg("red")))
    first = (await until(api, job_id, 10))["preview_url"]
    seen = await api.client.get(first)
    assert (seen.status_code, seen.content, seen.headers["content-type"]) == (200, jpeg("red"), "image/jpeg")
    assert seen.headers["x-content-type-options"] == "nosniff"
    await tell(api, worker, with_picture(worker.progress(2, 20), jpeg("blue")))
    second = (await until(api, job_id, 20))["preview_url"]
    assert second != first, "a page sees by its address that there is a new one"
    await tell(api, worker, with_picture(worker.progress(1, 10), jpeg("red")))
    assert (await api.client.get(first)).content == (await api.client.get(second)).content == jpeg("blue")
    worker.succeed()
    await tell(api, worker, worker.progress(3, 100, "finished").model_dump())
    assert (await api.get(job_id, Prefer="wait=10"))["preview_url"] is None
    assert (await api.client.get(second)).status_code == 404
    await tell(api, worker, with_picture(worker.progress(4, 50), jpeg("red")))
    assert (await api.client.get(second)).status_code == 404, "nor does a late one bring it back"


async def test_it_comes_by_status_where_there_are_no_callbacks(api: Served) -> None:
    job_id, worker = await running(api)
    worker.job.progress(with_picture(worker.progress(1, 33), jpeg("green")))
    job = await until(api, job_id, 33)
    assert (await api.client.get(job["preview_url"])).content == jpeg("green")


@pytest.mark.parametrize(
    "preview",
    [
        base64.b64encode(b"<script>alert(1)</script>").decode(),
        base64.b64encode(b"\xff\xd8\xff" + bytes(MOST_PREVIEW_BYTES)).decode(),
        "no base64 \N{WINKING FACE}",
    ],
)
async def test_what_is_no_small_picture_is_left_out_and_the_rest_is_heard(api: Served, preview: str) -> None:
    job_id, worker = await running(api)
    await started(api, job_id)
    await tell(api, worker, worker.progress(1, 40).model_dump() | {"preview": preview})
    assert (await until(api, job_id, 40))["preview_url"] is None


async def test_its_address_is_signed(api: Served) -> None:
    job_id, worker = await running(api)
    await started(api, job_id)
    await tell(api, worker, with_picture(worker.progress(1, 10), jpeg("red")))
    url = (await until(api, job_id, 10))["preview_url"]
    assert (await api.client.get(url.partition("?")[0])).status_code == 401
    other_id, _ = await running(api)
    assert (await api.client.get(url.replace(job_id, other_id))).status_code == 401
