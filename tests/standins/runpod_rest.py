"""RunPod's deploy API for tests, from its published schema: the part that `rushes endpoint` uses, as strict as it is.

Bodies are checked as `CreateEndpointRequest` and `UpdateEndpointRequest` say, unknown fields are refused (422), and
answers have the fields of `Endpoint`. Secrets are kept and never told. (Source: runpod/docs,
api-reference-v2/openapi.json of 2026-08-20, and docs.runpod.io, api-reference-v2/account, for secrets.)
"""

from __future__ import annotations

import asyncio
import socket
import threading
import uuid
from collections import deque
from typing import Annotated, Any, Literal, Self

import uvicorn
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

GPUS = {
    "NVIDIA RTX A6000": ("AMPERE_48", 1.22),
    "NVIDIA L40S": ("ADA_48_PRO", 1.90),
    "NVIDIA GeForce RTX 4090": ("ADA_24", 1.10),
}
Cuda = Annotated[str, Field(pattern=r"^\d+\.\d+$")]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Gpu(Strict):
    pools: Annotated[list[str], Field(min_length=1)]
    excludedTypes: list[str] = []
    count: Annotated[int, Field(ge=1)] = 1
    allowedCudaVersions: list[Cuda] = []
    minCudaVersion: Cuda | None = None


class Cpu(Strict):
    id: Annotated[str, Field(min_length=1)]
    vcpuCount: Annotated[int, Field(ge=2)]


class Workers(Strict):
    min: Annotated[int, Field(ge=0)] = 0
    max: Annotated[int, Field(ge=0)] = 3
    idleTimeout: Annotated[int, Field(ge=1, le=3600)] = 10


class QueueDelay(Strict):
    type: Literal["QUEUE_DELAY"]
    queueDelay: Annotated[float, Field(ge=0.5, strict=False)]


class Container(Strict):
    image: str | None = None
    args: str = ""
    disk: Annotated[int, Field(ge=1)] = 20
    env: dict[str, str] = {}
    ports: list[str] = []
    registry: str | None = None


class Create(Container):
    name: Annotated[str, Field(min_length=1)]
    type: Literal["QUEUE", "LOAD_BALANCER"]
    scaling: QueueDelay
    gpu: Gpu | None = None
    cpu: Annotated[list[Cpu], Field(min_length=1)] | None = None
    workers: Workers = Workers()
    dataCenterIds: list[str] = []
    networkVolumes: list[str] = []
    timeout: int = 300_000
    flashboot: Literal["OFF", "FLASHBOOT", "PRIORITY_FLASHBOOT"] = "OFF"

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if not self.image:
            raise ValueError("image is required")
        if (self.gpu is None) == (self.cpu is None):
            raise ValueError("give exactly one of gpu and cpu")
        return self


class Update(Container):
    name: str | None = None
    scaling: QueueDelay | None = None
    gpu: Gpu | None = None
    cpu: list[Cpu] | None = None
    workers: Workers | None = None
    dataCenterIds: list[str] = []
    networkVolumes: list[str] = []
    timeout: int | None = None
    flashboot: Literal["OFF", "FLASHBOOT", "PRIORITY_FLASHBOOT"] | None = None


class NewSecret(Strict):
    name: Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_.\-/]*$", max_length=191)]
    value: Annotated[str, Field(min_length=1)]
    description: Annotated[str, Field(max_length=65_535)] = ""


class ChangedSecret(Strict):
    value: str | None = None
    description: str | None = None


class RunPodRest:
    """`url` and `key` for the client; `endpoints` and `secrets` by id; `calls` names each request.

    `answers` are given to the next calls instead of what they would get; `lose_next`: done, and the answer is lost.
    """

    def __init__(self) -> None:
        self.key = f"rpa_{uuid.uuid4().hex}"
        self.endpoints: dict[str, dict[str, Any]] = {}
        self.secrets: dict[str, dict[str, Any]] = {}
        self.workers: list[dict[str, Any]] = []
        self.calls: list[str] = []
        self.answers: deque[Response] = deque()
        self.lose_next = False
        self._socket = socket.socket(proto=socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v2"
        self._server = uvicorn.Server(uvicorn.Config(self._app(), lifespan="off", ws="none", log_config=None))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._socket.listen()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    @property
    def changes(self) -> list[str]:
        """The calls that change something."""
        return [call for call in self.calls if not call.startswith("GET")]

    def _serve(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))

    def _app(self) -> Starlette:
        def route(path: str, **verbs: Any) -> Route:
            async def answer(request: Request) -> Response:
                return await self._answer(request, verbs[request.method])

            return Route(f"/v2{path}", answer, methods=list(verbs))

        return Starlette(
            routes=[
                route("/serverless", GET=self._list, POST=self._create),
                route("/serverless/{id}", PATCH=self._update, DELETE=self._delete),
                route("/serverless/{id}/workers", GET=self._workers),
                route("/account/secrets", GET=self._list_secrets, POST=self._create_secret),
                route("/account/secrets/{id}", PATCH=self._update_secret, DELETE=self._delete_secret),
                route("/catalog/gpus", GET=self._gpus),
                route("/catalog/cpus", GET=self._cpus),
            ]
        )

    async def _answer(self, request: Request, verb: Any) -> Response:
        self.calls.append(f"{request.method} {request.url.path.removeprefix('/v2')}")
        if self.answers:
            return self.answers.popleft()
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return problem(401, "missing bearer token")
        body = await request.json() if request.method in ("POST", "PATCH") else None
        try:
            found: Response = verb(request.path_params.get("id"), body)
        except ValidationError as wrong:
            said = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in wrong.errors()]
            return problem(422, "Request validation failed.", said)
        except KeyError:
            return problem(404, "resource not found")
        if self.lose_next and request.method == "POST" and request.url.path.endswith("/serverless"):
            self.lose_next = False
            return Response(b"upstream broke", 502)
        return found

    def _list(self, _id: str, _body: Any) -> Response:
        return JSONResponse({"endpoints": list(self.endpoints.values())})

    def _create(self, _id: str, body: Any) -> Response:
        asked = Create.model_validate(body)
        if asked.gpu and asked.gpu.allowedCudaVersions and asked.gpu.minCudaVersion:
            return problem(400, "allowedCudaVersions and minCudaVersion are mutually exclusive")
        made = uuid.uuid4().hex[:12]
        base = f"https://api.runpod.ai/v2/{made}"
        urls = {"run": f"{base}/run", "runSync": f"{base}/runsync", "status": f"{base}/status/{{job_id}}"}
        self.endpoints[made] = {
            "id": made, "requestUrls": urls, "createdAt": "2026-11-21T10:00:00Z",
            **asked.model_dump(exclude={"cpu", "gpu"}),
            **({"gpu": asked.gpu.model_dump()} if asked.gpu else {}),
            **({"cpu": [{**one.model_dump(), "memory": 2 * one.vcpuCount} for one in asked.cpu]} if asked.cpu else {}),
        }  # fmt: skip
        return JSONResponse(self.endpoints[made], 201)

    def _update(self, which: str, body: Any) -> Response:
        asked = Update.model_validate(body).model_dump(exclude_unset=True)
        there = self.endpoints[which]
        for name, value in asked.items():
            there[name] = {**there[name], **value} if name in ("workers", "gpu") else value
        return JSONResponse(there)

    def _delete(self, which: str, _body: Any) -> Response:
        del self.endpoints[which]
        return Response(status_code=204)

    def _workers(self, which: str, _body: Any) -> Response:
        return JSONResponse({"workers": self.workers if self.endpoints[which] else [], "summary": {}})

    def _list_secrets(self, _id: str, _body: Any) -> Response:
        told = [{name: one[name] for name in ("id", "name", "description")} for one in self.secrets.values()]
        return JSONResponse({"secrets": told})

    def _create_secret(self, _id: str, body: Any) -> Response:
        made = uuid.uuid4().hex[:12]
        self.secrets[made] = {"id": made, **NewSecret.model_validate(body).model_dump()}
        return JSONResponse({"id": made, "name": self.secrets[made]["name"]}, 201)

    def _update_secret(self, which: str, body: Any) -> Response:
        self.secrets[which].update(ChangedSecret.model_validate(body).model_dump(exclude_unset=True))
        return JSONResponse({"id": which})

    def _delete_secret(self, which: str, _body: Any) -> Response:
        del self.secrets[which]
        return Response(status_code=204)

    def _gpus(self, _id: str, _body: Any) -> Response:
        found = [
            {
                "id": one,
                "name": one.removeprefix("NVIDIA "),
                "pool": pool,
                "price": {"secure": 1.0, "serverless": price},
            }
            for one, (pool, price) in GPUS.items()
        ]
        return JSONResponse({"gpus": [*found, {"id": "NVIDIA Tesla", "name": "Tesla", "pool": None, "price": {}}]})

    def _cpus(self, _id: str, _body: Any) -> Response:
        price = {"securePerVcpu": 0.04, "serverlessPerVcpu": 0.03}
        return JSONResponse({"cpus": [{"id": "cpu5c", "name": "Compute-Optimized", "price": price}]})


def problem(status: int, detail: str, errors: list[str] | None = None, **headers: str) -> Response:
    """RFC 9457, as RunPod writes it."""
    body = {"title": "No", "status": status, "detail": detail} | ({"errors": errors} if errors else {})
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return JSONResponse(body, status, named, media_type="application/problem+json")
