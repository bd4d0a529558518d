"""The only reader of the environment (and of `.env`) in the control plane. Every setting is documented in README."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.catalog import catalog
from shared.job_types import JobType

DEFAULT_CAPS_USD = (60.0, 120.0, 600.0)
"""A job, a day, a month. The longest job type for its whole deadline on the dearest GPU fits: about 53 dollars."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")
_PASSED_TO_WORKERS = (
    "PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES",
    "SSL_CERT_FILE", "VIRTUAL_ENV", "PYTHONPATH", "MODEL_DEVICE", "MODEL_DOWNLOAD", "HF_ENDPOINT",
    "HF_HUB_OFFLINE", "OMP_NUM_THREADS",
)  # fmt: skip


class Settings(BaseSettings):
    """What the owner decides. Everything a newcomer must not need has a default that works."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", env_ignore_empty=True)

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    public_url: str | None = None
    api_key: str | None = None
    cors_origins: Annotated[list[str], NoDecode] = ["http://localhost:5173", "http://localhost:3000", "app://"]
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"
    sentry_dsn: str | None = None
    otel_exporter_otlp_endpoint: str | None = None
    otel_exporter_otlp_headers: str = ""

    data_dir: Path = Path("data")
    db_path: Path | None = None

    runpod_endpoint: str | None = None
    runpod_endpoint_render: str | None = None
    runpod_endpoint_img2vid: str | None = None
    runpod_endpoint_tts: str | None = None
    runpod_endpoint_lipsync: str | None = None
    runpod_endpoint_train_twin: str | None = None
    runpod_endpoint_export: str | None = None
    runpod_api_key: str | None = None
    gpu_usd_per_second: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    budget_job_usd: Annotated[float, Field(ge=0)] | None = None
    budget_daily_usd: Annotated[float, Field(ge=0)] | None = None
    budget_monthly_usd: Annotated[float, Field(ge=0)] | None = None
    runpod_api_url: str = "https://api.runpod.io/v2"
    max_in_flight: Annotated[int, Field(ge=1, le=10_000)] | None = None
    max_attempts: Annotated[int, Field(ge=1, le=20)] = 8
    local_workers: Annotated[int, Field(ge=1, le=64)] = 1
    claim_lease_seconds: Annotated[float, Field(ge=1)] = 15.0
    clock_skew_seconds: Annotated[float, Field(ge=0)] | None = None

    s3_bucket: str | None = None
    s3_endpoint_url: str | None = None
    s3_region: str = "auto"
    s3_access_key_id: str | None = None
    s3_secret_access_key: str | None = None
    s3_public_base_url: str | None = None
    signed_url_seconds: Annotated[int, Field(ge=60, le=604_800)] = 3600

    webhook_secret: str | None = None
    retention_event_days: Annotated[int, Field(ge=1)] = 30
    # RunPod keeps a submission for a week at most: until then its claim may have to keep a worker from starting.
    retention_leftover_days: Annotated[int, Field(ge=8)] = 30
    retention_output_days: Annotated[int, Field(ge=1)] | None = None

    model_dir: Path | None = None
    model_catalog_dir: Path | None = None
    speech_env_dir: Path | None = None
    model_render: str | None = None
    model_img2vid: str | None = None
    model_tts: str | None = None
    model_lipsync: str | None = None
    model_train_twin: str | None = None
    require_consent: bool = False
    allow_private_urls: bool = False

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: list[str]) -> list[str]:
        for origin in value:
            scheme, separator, rest = origin.partition("://")
            if not separator or not scheme or "/" in rest or "*" in rest:  # `null` is every sandboxed page there is
                msg = f"{origin}: give origins such as https://app.example.org, or app:// for all of that scheme"
                raise ValueError(msg)
        return value

    @field_validator(
        "public_url",
        "otel_exporter_otlp_endpoint",
        "s3_endpoint_url",
        "s3_public_base_url",
        "runpod_endpoint",
        "runpod_api_url",
        *(f"runpod_endpoint_{kind.lower()}" for kind in JobType),
    )
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname:
            msg = "must be a full URL such as https://example.org"
            raise ValueError(msg)
        return value.rstrip("/")

    @field_validator("webhook_secret")
    @classmethod
    def _is_webhook_secret(cls, value: str | None) -> str | None:
        if value is None:
            return None
        prefix, _, key = value.partition("_")
        try:
            length = len(base64.b64decode(key, validate=True))
        except ValueError:
            length = 0
        if prefix != "whsec" or not 24 <= length <= 64:
            msg = "must be whsec_ and 24 to 64 random bytes in base64; openssl rand -base64 32 makes some"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _safe_to_start(self) -> Self:
        exposed = self.host not in LOOPBACK or self.public_url or self.uses_runpod
        if exposed and not self.api_key:
            msg = "API_KEY must be set when HOST is not loopback, or PUBLIC_URL or RUNPOD_ENDPOINT is set"
            raise ValueError(msg)
        if self.uses_runpod and not self.s3_bucket:
            msg = "RUNPOD_ENDPOINT needs S3_BUCKET: its workers could not reach a store on this machine"
            raise ValueError(msg)
        if self.uses_runpod and not self.runpod_api_key:
            msg = "RUNPOD_ENDPOINT needs RUNPOD_API_KEY"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _models_are_known(self) -> Self:
        try:
            models = catalog(self.model_catalog_dir)
        except ValidationError as wrong:
            first = wrong.errors(include_url=False, include_input=False)[0]
            msg = f"MODEL_CATALOG_DIR: {'.'.join(map(str, first['loc']))}: {first['msg']}"
            raise ValueError(msg) from wrong
        for kind, name in self.models_by_type.items():
            if name not in models or kind not in models[name].job_types:
                able = ", ".join(model.id for model in models.values() if kind in model.job_types)
                msg = f"MODEL_{kind}: {name} is no model for it; there are {able}"
                raise ValueError(msg)
        return self

    @property
    def models_by_type(self) -> dict[JobType, str]:
        """`MODEL_<TYPE>`: the model of jobs that name none."""
        kinds = (JobType.RENDER, JobType.IMG2VID, JobType.TTS, JobType.LIPSYNC, JobType.TRAIN_TWIN)
        return {kind: name for kind in kinds if (name := getattr(self, f"model_{kind.lower()}"))}

    @property
    def uses_runpod(self) -> bool:
        """True when any job goes to RunPod, so that money can be spent."""
        return bool(self.runpod_endpoint or self.endpoints_by_type)

    @property
    def caps_usd(self) -> tuple[float | None, float | None, float | None]:
        """US dollars a job, a UTC day and a UTC month may cost: finite by default wherever money can be spent."""
        asked = (self.budget_job_usd, self.budget_daily_usd, self.budget_monthly_usd)
        ours = DEFAULT_CAPS_USD if self.uses_runpod else (None, None, None)
        return tuple(cap if given is None else given for given, cap in zip(asked, ours, strict=True))  # type: ignore[return-value] # three of each

    @property
    def endpoints_by_type(self) -> dict[JobType, str]:
        """`RUNPOD_ENDPOINT_<TYPE>`: another endpoint for one job type."""
        named = {kind: getattr(self, f"runpod_endpoint_{kind.lower()}") for kind in JobType}
        return {kind: url for kind, url in named.items() if url}

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.db_path or self.data_dir / "rushes.db"

    @property
    def in_flight_limit(self) -> int:
        """How many attempts may be at endpoints at once; the rest wait here, where order and reasons are known."""
        return self.max_in_flight or (100 if self.uses_runpod else 2 * self.local_workers)

    @property
    def skew_seconds(self) -> float:
        """What two clocks may differ by: nothing much on one machine, 30 s between here and a GPU host."""
        if self.clock_skew_seconds is not None:
            return self.clock_skew_seconds
        return 30.0 if self.uses_runpod else 1.0

    def worker_environment(self) -> dict[str, str]:
        """What a local worker may know: its store, its models and the machine's search paths, nothing else."""
        mine = {
            "DATA_DIR": self.data_dir.resolve(),
            "S3_BUCKET": self.s3_bucket,
            "S3_ENDPOINT_URL": self.s3_endpoint_url,
            "S3_REGION": self.s3_region,
            "S3_ACCESS_KEY_ID": self.s3_access_key_id,
            "S3_SECRET_ACCESS_KEY": self.s3_secret_access_key,
            "MODEL_DIR": self.model_dir and self.model_dir.resolve(),
            "MODEL_CATALOG_DIR": self.model_catalog_dir and self.model_catalog_dir.resolve(),
            "SPEECH_ENV_DIR": self.speech_env_dir and self.speech_env_dir.resolve(),
            **{f"MODEL_{kind}": name for kind, name in self.models_by_type.items()},
            "ALLOW_PRIVATE_URLS": int(self.allow_private_urls),
            "CLAIM_LEASE_SECONDS": self.claim_lease_seconds,
        }
        machine = {name: os.environ.get(name) for name in _PASSED_TO_WORKERS}
        return {name: str(value) for name, value in {**machine, **mine}.items() if value is not None}


class ClientSettings(BaseSettings):
    """Which server the `rushes` command speaks to: `RUSHES_URL` and `RUSHES_API_KEY`, else the one of this folder.

    Read from the environment, `.env`, or `~/.config/rushes/env`, in this order.
    """

    model_config = SettingsConfigDict(
        env_file=(Path("~/.config/rushes/env").expanduser(), ".env"), extra="ignore", env_ignore_empty=True
    )

    rushes_url: str | None = None
    rushes_api_key: str | None = None
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    api_key: str | None = None

    @field_validator("rushes_url")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        return Settings._is_url(value)

    @property
    def url(self) -> str:
        """Without a slash at its end."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        return self.rushes_url or f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def key(self) -> str | None:
        """The owner's own key goes to the owner's own server alone."""
        return self.rushes_api_key or (None if self.rushes_url else self.api_key)
