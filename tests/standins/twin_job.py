"""A trainer that needs no GPU: writes `lora.safetensors` and says whose it is."""

from __future__ import annotations

from gpu_worker.context import JobContext, Produced, ProducedFile
from gpu_worker.job_process import serve
from shared.job_types import AnyParams, JobType, RenderParams
from shared.twins import TwinCard


def run(_job_type: JobType, params: AnyParams, context: JobContext) -> Produced:
    """The prompt is the twin's name."""
    assert isinstance(params, RenderParams)
    path = context.workdir / "lora.safetensors"
    path.write_bytes(b"lora")
    card = TwinCard(
        name=params.prompt, base_model="m", base_repo=None, base_revision=None, trigger="ohwx", subject="person",
        rank=4, steps=1, images=5, consent=None,
    )  # fmt: skip
    return Produced([ProducedFile(path, "model", "application/octet-stream")], {"name": "m"}, twin=card)


if __name__ == "__main__":
    serve(run)
