"""Which model a job will take, and whether it can do what is asked: settled before any money is spent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.catalog import Catalog, default_for, find
from shared.catalog.model import Model
from shared.catalog.rules import Refused, check
from shared.errors import FieldProblem, InvalidRequest, NotFound
from shared.job_types import JobType, parse_params

_WITH_MODELS = (JobType.RENDER, JobType.IMG2VID, JobType.TTS, JobType.LIPSYNC, JobType.TRAIN_TWIN)


@dataclass(frozen=True)
class ModelChoice:
    """The catalog, and the owner's choice of a default for some job types (`MODEL_<TYPE>`)."""

    models: Catalog
    named: Mapping[JobType, str]

    def default(self, job_type: JobType) -> Model | None:
        """The model of jobs that name none; None where no model is involved."""
        return self.models[self.named[job_type]] if job_type in self.named else default_for(job_type, self.models)

    def of(self, job_type: JobType, params: dict[str, Any]) -> Model | None:
        """The model that the params name, or the default; None where no model is involved. Raises InvalidRequest for
        one that there is not.
        """
        named = params.get("model")
        try:
            return find(named, self.models) if named else self.default(job_type)
        except NotFound as unknown:
            raise _problem("model", unknown.message) from unknown

    def settle(self, job_type: JobType, params: dict[str, Any]) -> dict[str, Any]:
        """Params as the worker gets them: the owner's default is written out, so that every worker takes the same.

        Raises InvalidRequest, naming the field, for a model there is not or one that cannot do what is asked.
        """
        if job_type not in _WITH_MODELS:
            return params
        settled = params if params.get("model") else params | {"model": self.named.get(job_type)}
        model = self.of(job_type, settled)
        try:
            if model is not None:
                check(job_type, parse_params(job_type, settled), model, self.models)
        except Refused as refused:
            raise _problem(refused.field, refused.detail) from refused
        return settled


def _problem(field: str, detail: str) -> InvalidRequest:
    return InvalidRequest(f"{field}: {detail}", FieldProblem(f"/params/{field}", detail), code="MODEL_REFUSED")
