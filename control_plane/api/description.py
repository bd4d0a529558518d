"""What `/openapi.json` says beyond the routes: how a key is sent, and of what type every error is."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from control_plane.api.guard import OPEN_PATHS


def install(app: FastAPI) -> None:
    """Made once, when it is first asked for. The guard looks at keys before any route, so no route speaks of them."""
    described = app.openapi

    def openapi() -> dict[str, Any]:
        made = app.openapi_schema is not None
        description = described()
        return description if made else _with_problems(_with_keys(description))

    app.openapi = openapi  # type: ignore[method-assign] # as FastAPI's documentation has it


def _with_keys(description: dict[str, Any]) -> dict[str, Any]:
    schemes = description.setdefault("components", {}).setdefault("securitySchemes", {})
    schemes["bearer"] = {"type": "http", "scheme": "bearer", "description": "API_KEY, or a key of `POST /keys`."}
    description["security"] = [{"bearer": []}]
    for path in OPEN_PATHS:
        for operation in description["paths"].get(path, {}).values():
            operation["security"] = []
    return description


def _with_problems(description: dict[str, Any]) -> dict[str, Any]:
    """FastAPI takes every answer that a model describes for plain JSON."""
    for path in description["paths"].values():
        for operation in path.values():
            for status, answer in operation["responses"].items():
                if status.startswith(("4", "5")) and "application/json" in answer.get("content", {}):
                    answer["content"] = {"application/problem+json": answer["content"].pop("application/json")}
    return description
