"""Every address in a timeline is fetched by the worker, and resolved and waited for by the control plane."""

from __future__ import annotations

import json
from typing import Any

import pytest

from control_plane.dispatch.references import walk
from gpu_worker.inputs import references
from shared.job_types import ExportParams
from tests.unit.planned import at, track


def simple() -> dict[str, Any]:
    return {
        "clips": [at("a"), at("b")],
        "overlays": [at("c")],
        "music": at("d"),
        "voiceover": [at("e")],
        "sfx": [at("f")],
        "subtitle_file": at("g"),
        "style": {"lut_url": at("h")["url"]},
        "captions": [{"text": "storage://uploads/not-an-address", "start": 0, "end": 1}],
    }


def tracks() -> dict[str, Any]:
    items = {"video": at("a", at=0), "overlay": at("b"), "music": at("c"), "voice": at("d"), "sfx": at("e")}
    return {"tracks": [track(item, kind=kind) for kind, item in items.items()]}


@pytest.mark.parametrize(("timeline", "names"), [(simple(), "abcdefgh"), (tracks(), "abcde")])
def test_both_programs_find_every_address(timeline: dict[str, Any], names: str) -> None:
    params = ExportParams.model_validate(timeline)
    found = [(pointer, address) for pointer, address in walk(params.model_dump(mode="json"))]
    assert {address.removeprefix("storage://uploads/") for _, address in found} == set(names)
    assert set(references(params)) == {address for _, address in found}
    assert all(pointer.endswith(("/url", "/lut_url")) for pointer, _ in found)


def test_every_field_for_an_address_is_named_as_the_control_plane_expects() -> None:
    schema = ExportParams.model_json_schema()
    models = [schema, *schema["$defs"].values()]
    fields = [(name, field) for model in models for name, field in model.get("properties", {}).items()]
    addresses = {name for name, field in fields if '"maxLength": 2048' in json.dumps(field)}
    assert addresses == {"url", "lut_url"}, "the control plane resolves what ends in `url`"
