"""RunPod's deploy API, REST v2: endpoints, account secrets and prices, by the owner's key.

v1 was retired on 2026-11-15, and v2 refuses fields it does not know. (Source: runpod/docs,
api-reference-v2/openapi.json of 2026-08-20; the secrets from docs.runpod.io, api-reference-v2/account.)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Self

import httpx

from control_plane.endpoints.port import AnswerLost, EndpointError, EndpointRefused, EndpointUnreachable

TRIES = 4
LONGEST_PAUSE = 30.0
_MEND = {
    401: "RunPod does not know the key: set RUNPOD_API_KEY to one from console.runpod.io/user/settings.",
    402: "The RunPod account has no balance: add funds at console.runpod.io/user/billing.",
    403: "RUNPOD_API_KEY may not do this: give it read and write access to Serverless and to account secrets.",
}


class DeployApi:
    """Calls raise EndpointError in one sentence: refused, unreachable, or an answer that was lost."""

    def __init__(self, api_key: str, url: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        # trust_env off: a proxy or .netrc that happens to be set must not see the key.
        headers = {"Authorization": f"Bearer {api_key.strip()}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False)
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def endpoints(self) -> list[dict[str, Any]]:
        """Every serverless endpoint of the account."""
        return self._list("/serverless", "endpoints")

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        """A new endpoint. AnswerLost when nobody knows whether it was made: look for it by name."""
        return self._object("POST", "/serverless", body)

    def update(self, endpoint_id: str, changes: dict[str, Any]) -> dict[str, Any]:
        """The endpoint with only these fields changed."""
        return self._object("PATCH", f"/serverless/{endpoint_id}", changes)

    def delete(self, endpoint_id: str) -> None:
        """Its workers end and its jobs are canceled. One that is gone already is fine."""
        self._delete(f"/serverless/{endpoint_id}")

    def workers(self, endpoint_id: str) -> list[dict[str, Any]]:
        """The endpoint's workers as they are now."""
        return self._list(f"/serverless/{endpoint_id}/workers", "workers")

    def secrets(self) -> list[dict[str, Any]]:
        """The account's secrets, without their values: those are never told."""
        return self._list("/account/secrets", "secrets")

    def create_secret(self, name: str, value: str, description: str) -> None:
        """A new secret; environments name it as `{{ RUNPOD_SECRET_<name> }}`."""
        self._call("POST", "/account/secrets", {"name": name, "value": value, "description": description})

    def update_secret(self, secret_id: str, value: str, description: str) -> None:
        """Another value; workers that start from now on get it."""
        self._call("PATCH", f"/account/secrets/{secret_id}", {"value": value, "description": description})

    def delete_secret(self, secret_id: str) -> None:
        """One that is gone already is fine."""
        self._delete(f"/account/secrets/{secret_id}")

    def gpus(self) -> list[dict[str, Any]]:
        """The catalog: each GPU type with its pool and list price in US dollars an hour."""
        return self._list("/catalog/gpus", "gpus")

    def cpus(self) -> list[dict[str, Any]]:
        """The catalog: each CPU flavor with its list price in US dollars an hour and virtual CPU."""
        return self._list("/catalog/cpus", "cpus")

    def _list(self, path: str, name: str) -> list[dict[str, Any]]:
        found = self._object("GET", path).get(name)
        if not isinstance(found, list):
            raise EndpointError(f"RunPod answered {path} without any {name}.")
        return found

    def _object(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            answer = self._call(method, path, body).json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise AnswerLost(f"RunPod answered {path} with something that is not its API.")
        return answer

    def _delete(self, path: str) -> None:
        try:
            self._call("DELETE", path)
        except EndpointRefused as refused:
            if refused.status != httpx.codes.NOT_FOUND:
                raise

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        """Once there is an answer. Asked for again where nothing can be done twice by it."""
        for left in reversed(range(TRIES)):
            try:
                answer = self._http.request(method, path, json=body)
            except httpx.ConnectError as trouble:
                if not left:
                    raise EndpointUnreachable(f"{self._http.base_url.host} cannot be reached: {trouble}") from trouble
                answer = None
            except httpx.TransportError as trouble:
                if not left or method == "POST":
                    raise AnswerLost(f"{self._http.base_url.host} did not answer: {trouble}") from trouble
                answer = None
            if answer is not None and not (left and _is_passing(method, answer.status_code)):
                return _checked(answer)
            self._sleep(_pause(answer, TRIES - left))
        raise AssertionError


def _is_passing(method: str, status: int) -> bool:
    """429: nothing was done. 5xx of a POST: it may have been."""
    return status == httpx.codes.TOO_MANY_REQUESTS or (status >= httpx.codes.INTERNAL_SERVER_ERROR and method != "POST")


def _checked(answer: httpx.Response) -> httpx.Response:
    status = answer.status_code
    if answer.is_success:
        return answer
    if status >= httpx.codes.INTERNAL_SERVER_ERROR and answer.request.method == "POST":
        raise AnswerLost(f"RunPod answered {status}.")
    raise EndpointRefused(_sentence(answer), status)


def _sentence(answer: httpx.Response) -> str:
    """Ours where we know how to mend it, else RunPod's own words (RFC 9457)."""
    if answer.status_code in _MEND:
        return _MEND[answer.status_code]
    try:
        problem = answer.json()
        said = [problem["detail"], *map(str, problem.get("errors") or [])]
    except (ValueError, KeyError, TypeError, AttributeError):
        said = ["it gave no reason"]
    return f"RunPod refused this ({answer.status_code}): {'; '.join(said)}"


def _pause(answer: httpx.Response | None, tried: int) -> float:
    """Seconds: what RunPod asks for, or twice as long each time."""
    asked = "" if answer is None else answer.headers.get("Retry-After", "")
    return min(float(asked) if asked.isdigit() else 0.5 * 2**tried, LONGEST_PAUSE)
