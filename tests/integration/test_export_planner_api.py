"""What the control plane says to timelines: before any worker is asked, and at the field that is wrong."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.served import Served, served
from tests.integration.test_api import assert_problem
from tests.unit.planned import at, track


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as running:
        yield running


NO_ADDRESS = {"url": "file:///etc/passwd"}
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"clips": [at("a")] * 10_000}, "clips", "at most 500 items after validation, not"),
    ({"clips": [at("a"), NO_ADDRESS]}, "clips[1].url", "use https://"),
    ({"clips": [at("a", start=3, end=2)]}, "clips[0]", "end must be later than start"),
    ({"clips": [at("a", transition={"type": "spiral"})]}, "clips[0].transition.type", "'crossfade'"),
    ({"clips": [at("a", position={"x": 2, "y": 0})]}, "clips[0].position.x", "less than or equal to 1"),
    (
        {"clips": [at("a", end=1, transition={"duration": 2}), at("b")]},
        "clips[0].transition",
        "more than half of clips[0]",
    ),
    (
        {"clips": [at("a", end=1)], "captions": [{"text": "x", "start": 2, "end": 3}]},
        "captions[0].start",
        "1.00 s long",
    ),
    ({"clips": [at("a")], "style": {"brightness": 3}}, "style.brightness", "less than or equal to 1"),
    ({"clips": [at("a")], "style": "warmish"}, "style", "'warm'"),
    ({"clips": [at("a")], "subtitle_file": NO_ADDRESS}, "subtitle_file.url", "use https://"),
    ({"tracks": [track(at("a", at=0, speed=99))]}, "tracks[0].items[0].speed", "less than or equal to 10"),
    ({"tracks": [track(at("a"))]}, "tracks[0].items[0].at", "required"),
    ({"tracks": [track(at("a", at=0), kind="films")]}, "tracks[0].type", "'video'"),
    (
        {"tracks": [track(at("a", at=0, end=3), at("a", at=1))]},
        "tracks[0].items[1].at",
        "overlaps tracks[0].items[0] by 2.00 s",
    ),
    ({"clips": [at("a")], "output": {"format": "gif", "codec": "h264"}}, "output", "gif carries none"),
]


@pytest.mark.parametrize(("timeline", "field", "words"), REFUSED)
async def test_a_bad_timeline_is_refused_at_its_field(
    api: Served, timeline: dict[str, Any], field: str, words: str
) -> None:
    problem = assert_problem(await api.client.post("/timeline/stitch", json=timeline), 422, "INVALID_REQUEST", field)
    assert words in next(error["detail"] for error in problem["errors"] if error["field"] == field)
    job = {"type": "EXPORT", "params": timeline}
    assert_problem(await api.submit(job), 422, "INVALID_REQUEST", f"params.{field}")
    assert not api.runpod.jobs


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
async def test_numbers_that_are_none_are_refused(api: Served, number: str) -> None:
    body = json.dumps({"clips": [at("a", speed=0)]}).replace('"speed": 0', f'"speed": {number}')
    answer = await api.client.post("/timeline/stitch", content=body, headers={"content-type": "application/json"})
    assert_problem(answer, 422, "INVALID_REQUEST", "clips[0].speed")


async def test_every_address_in_a_timeline_may_be_the_output_of_a_job(api: Served) -> None:
    jobs = [await api.job_id() for _ in range(9)]
    names = [f"job:{job_id}" for job_id in jobs]
    timeline = {
        "tracks": [
            track({"url": names[0], "at": 0}),
            track({"url": names[1]}, kind="overlay"),
            track({"url": names[2]}, kind="voice"),
        ],
        "overlays": [{"url": names[3]}],
        "music": {"url": names[4]},
        "voiceover": [{"url": names[5]}],
        "sfx": [{"url": names[6]}],
        "subtitle_file": {"url": names[7]},
        "style": {"lut_url": names[8]},
    }
    film = (await api.client.post("/timeline/stitch", json=timeline)).json()["job_id"]
    assert (await api.get(film))["stage"] == "waiting_for_input"
    for job_id in jobs:
        await api.finish(job_id)
    sent = json.dumps((await api.worker()).message.params)
    assert "job:" not in sent
    assert all(f"storage://jobs/{job_id}/1/" in sent for job_id in jobs)
