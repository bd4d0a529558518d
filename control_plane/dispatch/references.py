"""Turns what a person wrote in params into what a worker can open: `job:` and `s3://` become `storage://<key>`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from control_plane.jobs.records import JobRecord
from shared.addresses import check_literal
from shared.errors import FieldProblem, InvalidRequest, MediaRefused
from shared.references import check_reference
from shared.states import JobStatus

SCHEMES = ("storage://", "s3://", "job:", "https://", "http://")
Resolve = Callable[[str], str]


def walk(value: Any, pointer: str = "/params") -> Iterator[tuple[str, str]]:  # noqa: ANN401 - any JSON
    """Every reference in a JSON value, with its pointer."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from walk(part, f"{pointer}/{name}")
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from walk(part, f"{pointer}/{index}")
    elif isinstance(value, str) and value.startswith(SCHEMES) and _field(pointer).endswith(("url", "images")):
        yield pointer, value


def _field(pointer: str) -> str:
    return next(part for part in reversed(pointer.split("/")) if not part.isdigit())


def resolve(value: Any, turn: Resolve, pointer: str = "/params") -> Any:  # noqa: ANN401 - any JSON
    """A copy of `value` in which every reference has been turned."""
    if isinstance(value, dict):
        return {name: resolve(part, turn, f"{pointer}/{name}") for name, part in value.items()}
    if isinstance(value, list):
        return [resolve(part, turn, f"{pointer}/{index}") for index, part in enumerate(value)]
    return turn(value) if any(True for _ in walk(value, pointer)) else value


def _job_id(url: str) -> str:
    return url.removeprefix("job:").lower()


class References:
    """Knows the owner's bucket, finished jobs and whom to keep out. Raises InvalidRequest naming the field."""

    def __init__(
        self, bucket: str | None, find_job: Callable[[str], JobRecord | None], *, allow_private: bool = False
    ) -> None:
        self._bucket = bucket
        self._allow_private = allow_private
        self._find_job = find_job

    def check(self, params: dict[str, Any]) -> tuple[str, ...]:
        """Every reference can be resolved, once the jobs whose ids are returned have succeeded."""
        found = list(walk(params))
        problems = [FieldProblem(pointer, why) for pointer, url in found if (why := self._problem(url))]
        if problems:
            raise InvalidRequest("An address in params cannot be used", *problems, code="BAD_REFERENCE")
        return tuple({_job_id(url): None for _, url in found if url.startswith("job:")})

    def resolve(self, params: dict[str, Any]) -> dict[str, Any]:
        """Params as a worker gets them; every job they name must have succeeded."""
        self.check(params)
        resolved: dict[str, Any] = resolve(params, self._turn)
        return resolved

    def _problem(self, url: str) -> str | None:
        try:
            if url.startswith("job:"):
                self._input(url)
                return None
            turned = check_reference(self._turn(url))
            if turned.startswith("http"):
                check_literal(turned, allow_private=self._allow_private)
        except ValueError as wrong:
            return str(wrong)
        except MediaRefused as refused:
            return refused.message
        return None

    def _turn(self, url: str) -> str:
        if url.startswith("s3://"):
            bucket, _, key = url.removeprefix("s3://").partition("/")
            if bucket != self._bucket:
                raise ValueError("only your own bucket can be read")
            return f"storage://{key}"
        if url.startswith("job:"):
            return f"storage://{self._input(url).outputs[0]['key']}"
        return url

    def _input(self, url: str) -> JobRecord:
        job = self._find_job(_job_id(url))
        if job is None:
            raise ValueError("there is no such job")
        if job.status in (JobStatus.FAILED, JobStatus.CANCELED):
            raise ValueError(f"that job is {job.status}: it has no output")
        return job
