"""A job process whose denoiser always runs out of memory. Its last argument is the reporting pipe."""

from __future__ import annotations

from typing import Any

from gpu_worker.job_process import serve
from gpu_worker.job_types import run_job


def forward(*_given: Any, **_named: Any) -> None:
    import torch

    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


if __name__ == "__main__":
    from diffusers import CogVideoXTransformer3DModel

    CogVideoXTransformer3DModel.forward = forward  # type: ignore[method-assign] # the fault
    serve(run_job)
