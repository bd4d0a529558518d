"""What a video costs on this GPU: CogVideoX-5b at full size with random weights, by profile, against plain diffusers.

Weights decide what is seen and not how long it takes, so none are needed. Each profile runs through the worker's own
loading, pool and call; `plain` is diffusers as its documentation calls it, in the same process. The floor is the
arithmetic of a step divided by the rate of matrix products that this very card reaches.

    make bench-gpu                                    the whole table: about ten minutes on an H100
    make bench-gpu ARGS="--profiles plain,exact"      in parts, where there is less time: each row is printed as it is
    make bench-gpu ARGS="--profiles plain,fast,draft"  done, and compared with the plain one of its own run
    make bench-gpu ARGS=--tiny                        the same path at the size of a stamp, on a CPU

Any Python with torch, diffusers, torchao and what the worker needs runs it too: `python -m benchmarks.gpu`.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLCogVideoX,
    CogVideoXDPMScheduler,
    CogVideoXPipeline,
    CogVideoXTransformer3DModel,
)

from benchmarks import lipsync
from gpu_worker.engines.device import name_of
from gpu_worker.engines.diffusion.loading import Loaded, recipe
from gpu_worker.engines.diffusion.prompts import PromptCache
from gpu_worker.engines.diffusion.shots import Order, shoot
from gpu_worker.engines.diffusion.steps import StepWatch
from gpu_worker.engines.pool import EnginePool, pool_of
from gpu_worker.models.store import Weights
from shared.catalog import catalog
from shared.catalog.model import Model, Video

MODEL = "cogvideox-5b"
WARM_UP_STEPS = 3
FARTHEST = 1.5
"""Times the floor, for a step of `exact`."""
LEAST_FASTER = {"exact": 1.25, "fast": 1.8}
"""Times as fast as plain diffusers."""


@dataclass(frozen=True)
class Size:
    """The architecture, and the clip that is made with it."""

    transformer: dict[str, Any]
    vae: dict[str, Any]
    words: int
    frames: int
    width: int
    height: int


# The configuration files of zai-org/CogVideoX-5b.
FULL = Size(
    transformer={
        "num_attention_heads": 48, "attention_head_dim": 64, "in_channels": 16, "out_channels": 16, "num_layers": 42,
        "text_embed_dim": 4096, "time_embed_dim": 512, "max_text_seq_length": 226, "sample_width": 90,
        "sample_height": 60, "sample_frames": 49, "patch_size": 2, "temporal_compression_ratio": 4,
        "use_rotary_positional_embeddings": True,
    },
    vae={
        "in_channels": 3, "out_channels": 3, "latent_channels": 16, "block_out_channels": (128, 256, 256, 512),
        "layers_per_block": 3, "norm_num_groups": 32, "temporal_compression_ratio": 4, "sample_height": 480,
        "sample_width": 720, "scaling_factor": 0.7,
        "down_block_types": ("CogVideoXDownBlock3D",) * 4, "up_block_types": ("CogVideoXUpBlock3D",) * 4,
    },
    words=226, frames=49, width=720, height=480,
)  # fmt: skip
TINY = Size(
    transformer=FULL.transformer | {
        "num_attention_heads": 2, "attention_head_dim": 16, "in_channels": 4, "out_channels": 4, "num_layers": 2,
        "text_embed_dim": 32, "time_embed_dim": 8, "max_text_seq_length": 16, "sample_width": 4, "sample_height": 4,
        "sample_frames": 9,
    },
    vae=FULL.vae | {
        "latent_channels": 4, "block_out_channels": (8, 8, 8, 8), "layers_per_block": 1, "norm_num_groups": 2,
        "sample_height": 96, "sample_width": 80,
    },
    words=16, frames=9, width=32, height=32,
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One way to run it. Times in seconds, memory in GB; `notes` says what of the profile could not be had."""

    name: str
    steps: int
    load: float
    first: float
    step: float
    decode: float
    peak: float
    notes: tuple[str, ...]


class Embeddings(PromptCache):
    """Words that were encoded elsewhere: T5 takes a tenth of a second once, and is no part of this."""

    def __init__(self, size: Size, dtype: torch.dtype) -> None:
        super().__init__()
        shape = (1, size.words, size.transformer["text_embed_dim"])
        self._made = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(dtype)

    def arguments(self, loaded: Loaded, prompt: str, negative: str, guidance: float | None) -> dict[str, Any]:  # noqa: ARG002 - the cache's own
        made = self._made.to(loaded.device)
        return {"prompt_embeds": made, "negative_prompt_embeds": torch.zeros_like(made)}


def main() -> None:
    """Measure and print a table in Markdown; `--json FILE` keeps the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--tiny", action="store_true", help="a toy of the same architecture, on any machine")
    parser.add_argument("--steps", type=int, default=50, help="of a clip; fewer are quicker and less like a real one")
    parser.add_argument("--profiles", default="plain,exact,fast,draft")
    parser.add_argument("--no-lips", action="store_true", help="video models alone, without Wav2Lip")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    if not asked.tiny and not torch.cuda.is_available():
        parser.exit(1, "This needs an NVIDIA GPU that torch can use; --tiny runs without one.\n")
    device, size = ("cuda", FULL) if torch.cuda.is_available() else ("cpu", TINY)
    size = TINY if asked.tiny else size
    with tempfile.TemporaryDirectory(prefix="rushes-bench-") as folder:
        bench = Bench(device, size, Path(folder), asked.steps)
        rows: list[Row] = []
        for name in asked.profiles.split(","):
            rows.append(bench.measure(name))
            keep(bench, rows, asked.json)
            # Whoever has the machine for a while only must not lose what is done.
            say(line(bench, rows[-1], rows))
        report(bench, rows)
    if not asked.no_lips:
        lipsync.report(lipsync.measure(device, lipsync.TINY if asked.tiny else lipsync.FULL))


class Bench:
    """The weights on the disk, and what the card can do."""

    def __init__(self, device: str, size: Size, folder: Path, steps: int) -> None:
        self.device, self.size, self.folder, self.steps = device, size, folder, steps
        self.dtype = torch.bfloat16 if device == "cuda" else torch.float32
        self.model = model_of(size)
        say(f"writing random weights into {shutil.disk_usage(folder).free / 1e9:.0f} GB of free disk")
        write_weights(size, folder, self.dtype, device)
        self.rate = matrix_rate(device, self.dtype)
        self.flops = step_flops(size, folder)

    @property
    def floor(self) -> float:
        """The least seconds a step can take on this card."""
        return self.flops / self.rate

    def measure(self, name: str) -> Row:
        """Load, warm up, make one clip and let everything go again."""
        say(f"measuring {name}")
        pool = EnginePool(pool_of(self.device).memory)
        pool.memory.restart()
        row = self._plain(pool) if name == "plain" else self._profile(name, pool)
        pool.evict_idle()
        gc.collect()
        torch._dynamo.reset()
        return row

    def _plain(self, pool: EnginePool) -> Row:
        started = self.now()
        words = {"text_encoder": None, "tokenizer": None}
        pipe = CogVideoXPipeline.from_pretrained(self.folder, dtype=self.dtype, **words).to(self.device)
        pipe.set_progress_bar_config(disable=True)
        loaded = Loaded(self.model, self.weights, pipe, self.device, cheap=False)
        return self._run("plain", loaded, pool, self.now() - started, self.steps)

    def _profile(self, name: str, pool: EnginePool) -> Row:
        profile = self.video.profiles[name]  # type: ignore[index] # one of the profiles' names
        with pool.hold(recipe(self.model, self.weights, profile, self.device, pool)) as loaded:
            load = pool.loaded_in(pool.resident()[0])
            return self._run(name, loaded, pool, load, profile.steps or self.steps)

    def _run(self, name: str, loaded: Loaded, pool: EnginePool, load: float, steps: int) -> Row:
        words, started = Embeddings(self.size, self.dtype), self.now()
        shoot(loaded, self.order(WARM_UP_STEPS), self.watch(WARM_UP_STEPS), words)
        first = self.now() - started
        pool.memory.restart()
        times: list[float] = []
        watch = self.watch(steps, times)
        shoot(loaded, self.order(steps), watch, words)
        decode = self.now() - times[-1]
        # The first step is between its two reports: from the end of the set-up to its own end.
        step = (times[-1] - times[1]) / (steps - 1)
        return Row(name, steps, load, first, step, decode, pool.memory.peak() / 1e9, tuple(loaded.notes))

    def order(self, steps: int) -> Order:
        """The clip that is made."""
        size = (self.size.width, self.size.height)
        return Order("", "", self.size.frames, size, seed=7, steps=steps, guidance=6.0)

    def watch(self, steps: int, times: list[float] | None = None) -> StepWatch:
        """Notes the moment of every report, the card's work done by then."""

        def report(_stage: str, _progress: int, _message: str = "") -> None:
            if times is not None:
                times.append(self.now())

        watch = StepWatch(report, lambda _: None, shots=1, steps=steps)
        watch.begin()
        return watch

    def now(self) -> float:
        """Seconds, once the card is done with what it was given."""
        if self.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    @property
    def weights(self) -> Weights:
        """The random ones."""
        return Weights(self.folder, None, "folder")

    @property
    def video(self) -> Video:
        """The catalog's words."""
        assert self.model.video is not None
        return self.model.video


def model_of(size: Size) -> Model:
    """The catalog's entry, with the constants of the size at hand."""
    model = catalog()[MODEL]
    assert model.video is not None
    video = model.video.model_copy(update={"constants": {"max_sequence_length": size.words}})
    return model.model_copy(update={"video": video})


def write_weights(size: Size, folder: Path, dtype: torch.dtype, device: str) -> None:
    """A pipeline without a text encoder, as its repository would have it."""
    torch.manual_seed(0)
    standard = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            parts = CogVideoXTransformer3DModel(**size.transformer), AutoencoderKLCogVideoX(**size.vae)
    finally:
        torch.set_default_dtype(standard)
    scheduler = CogVideoXDPMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type="v_prediction",
        rescale_betas_zero_snr=True, snr_shift_scale=1.0, timestep_spacing="trailing", clip_sample=False,
        set_alpha_to_one=True,
    )  # fmt: skip
    transformer, vae = (part.to(dtype) for part in parts)
    pipe = CogVideoXPipeline(
        tokenizer=None, text_encoder=None, vae=vae, transformer=transformer, scheduler=scheduler
    )  # fmt: skip
    pipe.save_pretrained(folder)


def matrix_rate(device: str, dtype: torch.dtype) -> float:
    """Operations a second in products of large square matrices: the card's own best, measured."""
    side, times = (8192, 30) if device == "cuda" else (512, 10)
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))

    def products() -> None:
        for _ in range(times):
            torch.mm(a, b)
        if device == "cuda":
            torch.cuda.synchronize()

    products()
    best = min(timed(products) for _ in range(5))
    return 2 * side**3 * times / best


def timed(work: Callable[[], None]) -> float:
    """Seconds that the work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def step_flops(size: Size, folder: Path) -> float:
    """Operations of one step with guidance, which is two passes: two a weight and token, and attention's
    four for each pair of tokens and each channel.
    """
    transformer = CogVideoXTransformer3DModel.load_config(folder / "transformer")
    with torch.device("meta"):
        weights = sum(p.numel() for p in CogVideoXTransformer3DModel.from_config(transformer).parameters())
    latent_frames = (size.frames - 1) // 4 + 1
    tokens = size.words + latent_frames * (size.width // 16) * (size.height // 16)
    channels = size.transformer["num_attention_heads"] * size.transformer["attention_head_dim"]
    return 2 * (2 * weights * tokens + 4 * tokens**2 * channels * size.transformer["num_layers"])


def report(bench: Bench, rows: list[Row]) -> None:
    """The table in Markdown, and how far it is from what we want."""
    size = bench.size
    print(
        f"\n{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, {name_of(bench.device)}, torch {torch.__version__}:", end=""
    )
    print(
        f" CogVideoX-5b{' (tiny)' if size is TINY else ''}, {size.frames} frames {size.width}x{size.height}, ", end=""
    )
    print("random weights.")
    print(f"{bench.flops / 1e12:.4g} TFLOP a step at {bench.rate / 1e12:.4g} TFLOP/s is {bench.floor:.4g} s.\n")
    print("\n".join([HEAD, *(line(bench, row, rows) for row in rows)]))
    for row in rows:
        for note in row.notes:
            print(f"\n{row.name}: {note}.")
    for goal, is_met in goals(bench, rows) if size is FULL else ():
        print(f"\nGoal {'met' if is_met else 'MISSED'}: {goal}.")


HEAD = (
    "| profile | s a step | denoising | times the floor | against plain | decode s | load s | warm-up s | peak GB |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def line(bench: Bench, row: Row, rows: list[Row]) -> str:
    """A row of the table."""
    faster = against_plain(row, rows)
    return (
        f"| {row.name} | {row.step:.4g} | {row.step * row.steps:.4g} s for {row.steps} | "
        f"{row.step / bench.floor:.2f} | {f'{faster:.2f}x' if faster else ''} | {row.decode:.3g} | {row.load:.3g} | "
        f"{row.first:.3g} | {row.peak:.1f} |"
    )


def against_plain(row: Row, rows: list[Row]) -> float | None:
    """How many times as fast a step is as that of plain diffusers in the same run."""
    plain = next((other.step for other in rows if other.name == "plain"), None)
    return plain / row.step if plain else None


def goals(bench: Bench, rows: list[Row]) -> list[tuple[str, bool]]:
    """What `exact` and `fast` are to reach on a data-centre GPU, and whether they do; of the rows that there are."""
    found = []
    for row in rows:
        faster = against_plain(row, rows)
        if row.name == "exact":
            found.append((f"{FARTHEST} times the floor at most with exact", row.step <= FARTHEST * bench.floor))
        if row.name in LEAST_FASTER and faster is not None:
            least = LEAST_FASTER[row.name]
            found.append((f"{row.name} {least} times as fast as plain diffusers", faster >= least))
    return found


def keep(bench: Bench, rows: list[Row], path: Path | None) -> None:
    """The numbers so far, where they were asked for."""
    if path is not None:
        card = name_of(bench.device)
        measured = {"card": card, "rate": bench.rate, "flops": bench.flops, "rows": [vars(row) for row in rows]}
        path.write_text(json.dumps(measured, indent=1))


def say(what: str) -> None:
    """One line about what takes time."""
    print(f"[bench] {what}", flush=True)


if __name__ == "__main__":
    main()
