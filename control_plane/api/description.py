"""What `/openapi.json` says beyond the routes: how a key is sent."""

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
        return description if made else _with_keys(description)

    app.openapi = openapi  # type: ignore[method-assign] # as FastAPI's documentation has it


def _with_keys(description: dict[str, Any]) -> dict[str, Any]:
    schemes = description.setdefault("components", {}).setdefault("securitySchemes", {})
    schemes["bearer"] = {"type": "http", "scheme": "bearer", "description": "API_KEY, or a key of `POST /keys`."}
    description["security"] = [{"bearer": []}]
    for path in OPEN_PATHS:
        for operation in description["paths"].get(path, {}).values():
            operation["security"] = []
    return description
