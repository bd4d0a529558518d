"""The HTTP API as a client sees it: upload, submit, look, fetch."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

Job = dict[str, Any]
# Python's own table lacks these, or says something that browsers do not.
TYPES = {".mkv": "video/x-matroska", ".m4v": "video/mp4", ".webp": "image/webp"}


class ApiError(Exception):
    """The server said no; the message is the sentence it gave."""


class Client:
    """One control plane. Methods raise ApiError, with the server's own sentence."""

    def __init__(self, base_url: str) -> None:
        self._http = httpx.Client(base_url=base_url, timeout=30, trust_env=False)

    def close(self) -> None:
        """Close connections."""
        self._http.close()

    def upload(self, path: Path) -> str:
        """Put a file into the owner's store and return the `storage://` address to use in params."""
        content_type = TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0] or "unknown"
        wish = {"filename": path.name, "content_type": content_type, "bytes": path.stat().st_size}
        try:
            slot = self._call("POST", "/uploads", wish).json()
        except ApiError as error:
            raise ApiError(f"{path.name} was not taken: {error}") from error
        with path.open("rb") as body:
            _checked(self._http.request(slot["method"], slot["upload_url"], headers=slot["headers"], content=body))
        return str(slot["url"])

    def submit(self, job_type: str, params: dict[str, Any]) -> str:
        """Queue a job and return its id."""
        return self._queue("/jobs", {"type": job_type, "params": params})

    def stitch(self, timeline: dict[str, Any]) -> str:
        """Queue the film itself: the same as an EXPORT job."""
        return self._queue("/timeline/stitch", timeline)

    def jobs(self, ids: list[str]) -> dict[str, Job]:
        """What is known of these jobs, by id."""
        listed = self._call("GET", f"/jobs?ids={','.join(ids)}").json()
        return {job["job_id"]: job for job in listed}

    def job(self, job_id: str) -> Job:
        """Everything about one job, its outputs and their signed addresses included."""
        answer: Job = self._call("GET", f"/jobs/{job_id}").json()
        return answer

    def cancel(self, job_id: str) -> None:
        """Ask for a job to be stopped."""
        self._call("POST", f"/jobs/{job_id}/cancel")

    def download(self, url: str, path: Path) -> None:
        """Copy a signed address into a file."""
        with self._http.stream("GET", url) as response, path.open("wb") as file:
            if response.is_error:
                response.read()
            for part in _checked(response).iter_bytes():
                file.write(part)

    def _queue(self, url: str, body: dict[str, Any]) -> str:
        # The key makes a request that is sent twice one job.
        return str(self._call("POST", url, body, {"Idempotency-Key": str(uuid4())}).json()["job_id"])

    def _call(
        self, method: str, url: str, body: object = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        try:
            return _checked(self._http.request(method, url, json=body, headers=headers))
        except httpx.TransportError as error:
            raise ApiError(f"the control plane does not answer ({error})") from error


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_success:
        return response
    try:
        problem = response.json()
        sentence = problem.get("detail") or problem.get("title")
    except ValueError:
        sentence = None
    raise ApiError(sentence or f"the server answered {response.status_code}")
