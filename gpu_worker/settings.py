"""The worker's settings, from the environment or `.env`: the only reader of both in this program."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

_SECRET_PREFIXES = ("S3_", "AWS_", "RUNPOD_", "RUSHES_", "API_KEY", "HF_TOKEN")
_VOLUME = Path("/runpod-volume")


class WorkerSettings(BaseSettings):
    """Sizes in bytes, times in seconds. Every one has a default that works on a machine with nothing set up."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore")

    s3_bucket: str | None = None
    s3_endpoint_url: str | None = None
    s3_region: str = "auto"
    s3_access_key_id: str | None = None
    s3_secret_access_key: SecretStr | None = None
    s3_public_base_url: str | None = None
    data_dir: Path = Path("data")
    model_dir: Annotated[Path | None, Field(description="Weights; unset: DATA_DIR/models.")] = None
    model_baked_dir: Annotated[Path, Field(description="Weights that came with the image.")] = Path("/opt/models")
    model_hub_dir: Annotated[Path, Field(description="Models that RunPod caches on the host.")] = (
        _VOLUME / "huggingface-cache" / "hub"
    )
    model_volume_dir: Annotated[Path, Field(description="Weights on the network volume.")] = _VOLUME / "models"
    model_download: Annotated[bool, Field(description="A job may fetch what is missing, while it is paid for.")] = False
    model_device: Annotated[
        Literal["auto", "cuda", "cpu"], Field(description="`auto` takes a GPU and nothing else: a CPU takes hours.")
    ] = "auto"
    model_catalog_dir: Annotated[Path | None, Field(description="The owner's own models, a TOML file each.")] = None
    speech_env_dir: Annotated[
        Path | None, Field(description="Environments of speech engines; unset: `environments` beside the weights.")
    ] = None
    model_render: str | None = None
    model_img2vid: str | None = None
    model_tts: str | None = None
    model_lipsync: str | None = None
    model_train_twin: str | None = None

    allow_private_urls: bool = False
    fetch_max_bytes: Annotated[int, Field(description="The largest single input.")] = 5 * 10**9
    fetch_max_total_bytes: Annotated[int, Field(description="The largest sum of a job's inputs.")] = 20 * 10**9
    fetch_timeout_seconds: Annotated[float, Field(description="For one input, however slowly it trickles in.")] = 600
    fetch_reserve_bytes: Annotated[int, Field(description="Free disk that inputs leave for the work itself.")] = 10**9

    claim_lease_seconds: Annotated[float, Field(gt=0)] = 180
    storage_patience_seconds: Annotated[float, Field(description="How long a failing store is tried again.")] = 60

    runpod_pod_id: Annotated[str, Field(description="Names this worker in its claims.")] = "local"
    runpod_webhook_post_output: Annotated[str | None, Field(description="Unset: no platform to report to.")] = None
    rushes_lifeline_fd: Annotated[int | None, Field(description="At its end of file the worker dies.")] = None
    rushes_lock_fd: Annotated[int | None, Field(description="A lock to be held for as long as a job lives.")] = None


def job_environment() -> dict[str, str]:
    """The environment of the job process, which opens hostile media: ours without anything secret.

    Libraries ask the hub for nothing on their own there, unless jobs may fetch weights (`MODEL_DOWNLOAD`).
    """
    ours = {name: value for name, value in os.environ.items() if not name.startswith(_SECRET_PREFIXES)}
    # Segments that grow keep memory from breaking into pieces when models of different sizes come and go.
    tuned = {"PYTORCH_ALLOC_CONF": "expandable_segments:True"}
    tuned["HF_HUB_OFFLINE"] = "0" if WorkerSettings().model_download else "1"
    if _VOLUME.is_dir():
        # What torch.compile has made once is there for every worker of the endpoint.
        tuned["TORCHINDUCTOR_CACHE_DIR"] = str(_VOLUME / "compile-cache")
    return tuned | ours


def hub_access() -> tuple[str | None, str | None]:
    """The address of the Hugging Face hub and the token for it, as every tool for it reads them."""
    return os.environ.get("HF_ENDPOINT"), os.environ.get("HF_TOKEN")
