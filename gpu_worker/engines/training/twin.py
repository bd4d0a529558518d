"""A twin from its pictures to its file."""

from __future__ import annotations

import gc
import hashlib
import json
import time
from dataclasses import replace
from pathlib import Path

from gpu_worker.context import JobContext, Produced
from gpu_worker.engines.device import is_out_of_memory
from gpu_worker.engines.diffusion.choice import Ready
from gpu_worker.engines.diffusion.loading import Loaded, open_pipeline, video_of
from gpu_worker.engines.pool import EnginePool, MemoryExhausted, pool_of
from gpu_worker.engines.training import checkpoint
from gpu_worker.engines.training.account import card_of, lora_file, said_of
from gpu_worker.engines.training.checkpoint import State
from gpu_worker.engines.training.faces import CountFaces
from gpu_worker.engines.training.families import family_of
from gpu_worker.engines.training.pictures import chosen_pictures
from gpu_worker.engines.training.progress import Pace
from gpu_worker.engines.training.run import Training
from gpu_worker.engines.training.samples import draw_sample, earlier_samples, sample_file
from gpu_worker.engines.training.trainer import Material, Trainer
from shared.job_types import TrainTwinParams

RANK = 32
STEPS_A_PICTURE = 100
FEWEST_STEPS, MOST_STEPS = 500, 2000
"""Within these lies the default: what others' trainers recommend for one person."""


def train(
    params: TrainTwinParams,
    context: JobContext,
    ready: Ready,
    count_faces: CountFaces | None = None,
    pool: EnginePool | None = None,
) -> Produced:
    """`lora.safetensors` and a sample for each look at it. Goes on from a checkpoint of the same plan.

    Raises InvalidParams for pictures that will not do, MemoryExhausted, BadWeights, EngineFailed.
    """
    pool = pool or pool_of(ready.device)
    try:
        return _train(params, context, ready, count_faces, pool)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
    pool.memory.release()
    raise MemoryExhausted("The GPU of this worker is too small to train this model; a lower rank takes less.")


def _train(
    params: TrainTwinParams, context: JobContext, ready: Ready, count_faces: CountFaces | None, pool: EnginePool
) -> Produced:
    context.report("checking", 1, "looking at the pictures")
    pictures = chosen_pictures(params, context, video_of(ready.model).size, count_faces)
    pool.evict_idle()
    pool.memory.restart()
    context.report("loading", 2, f"loading {ready.model.title}")
    weights = ready.weights[ready.model.id]
    started = time.monotonic()
    pipe = open_pipeline(ready.model, weights, ready.device, {})
    loaded = Loaded(ready.model, weights, pipe, ready.device, cheap=False)
    steps = params.steps or min(MOST_STEPS, max(FEWEST_STEPS, STEPS_A_PICTURE * len(pictures.cut)))
    training = Training(params, context, ready, pictures, steps, params.rank or RANK, loaded)
    training.timings["load"] = round(time.monotonic() - started, 3)
    try:
        produced = _run(training, pool)
    finally:
        loaded.pipe = None
        del pipe
        gc.collect()
        pool.memory.release()
    return replace(produced, retire=pool.has_crept())


def _run(training: Training, pool: EnginePool) -> Produced:
    params, context = training.params, training.context
    material = _material(training)
    trainer = Trainer(
        training.loaded.pipe.transformer, training.ready.device, family_of(training.loaded.pipe), material,
        rank=training.rank, rate=params.learning_rate, steps=training.steps, seed=params.seed,
    )  # fmt: skip
    fresh = State(_plan(training, trainer), params.seed)
    state = checkpoint.restore(
        context.checkpoints.folder / checkpoint.NAME, fresh, trainer.parameters, trainer.optimizer
    )
    resumed = state.done
    samples = earlier_samples(training, resumed)
    pace = Pace(context.report, steps=training.steps, done=resumed)
    if not state.losses:
        state.losses[0] = trainer.judge()
    for number in range(resumed, training.steps):
        pace.begin()
        loss = trainer.step(number)
        pace.end(loss)
        state.done = number + 1
        if state.done % training.every == 0 or state.done == training.steps:
            with training.timed("looks"):
                samples.append(_look(training, trainer, state, pace))
    training.timings["steps"] = round(pace.seconds, 3)
    return Produced(
        [lora_file(training, trainer), *(sample_file(path) for path in samples)],
        said_of(training, trainer, state, pace, resumed, pool.memory.peak()),
        twin=card_of(training),
    )


def _material(training: Training) -> Material:
    """Words and pictures encoded once; then the text encoder is gone, and the VAE waits off the device for samples."""
    import torch

    loaded, report = training.loaded, training.context.report
    pipe, family = loaded.pipe, family_of(loaded.pipe)
    with training.timed("encode"), torch.no_grad():
        report("encoding", 4, "encoding the caption")
        said = training.prompts.arguments(loaded, training.caption, "", training.guidance)
        words, no_words = (said[name].cpu() for name in ("prompt_embeds", "negative_prompt_embeds"))
        pipe.text_encoder = None
        pipe.vae.to(loaded.device)
        latents = []
        for number, picture in enumerate(training.pictures.cut):
            report("encoding", 5, f"encoding picture {number + 1} of {len(training.pictures.cut)}")
            pixels = pipe.video_processor.preprocess(picture).to(pipe.vae.device, pipe.vae.dtype)
            latents.append(family.latents(pixels).float().cpu())
        pipe.vae.to("cpu")
    gc.collect()
    return Material(latents, words, no_words)


def _plan(training: Training, trainer: Trainer) -> str:
    """A hash of all that the course of a run depends on."""
    params, weights = training.params, training.loaded.weights
    fixed = (
        training.ready.model.id, weights.revision, training.pictures.digest, training.caption, training.steps,
        training.rank, params.learning_rate, params.seed, trainer.optimizer_name,
    )  # fmt: skip
    return hashlib.sha256(json.dumps(fixed).encode()).hexdigest()


def _look(training: Training, trainer: Trainer, state: State, pace: Pace) -> Path:
    """Judge, draw a sample, and keep both with the state."""
    context = training.context
    pace.aside("looking", f"step {state.done}/{training.steps}: a sample and a checkpoint")
    state.losses[state.done] = trainer.judge()
    sample = draw_sample(training, state.done, pace)
    context.checkpoints.keep(sample, sample.name)
    kept = context.workdir / checkpoint.NAME
    checkpoint.save(kept, state, trainer.parameters, trainer.optimizer)
    context.checkpoints.keep(kept, kept.name)
    return sample
