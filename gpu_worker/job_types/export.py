"""EXPORT: a timeline of clips, captions, music and voice-over made into a film."""

from __future__ import annotations

from gpu_worker.context import JobContext, Produced
from gpu_worker.timeline.runner.render import render
from gpu_worker.timeline.sources import planned
from shared.job_types import ExportParams


def run(params: ExportParams, context: JobContext) -> Produced:
    """Make every file that the output asks for, the film first.

    Raises MediaRefused for a file that is nothing we open, InvalidParams for times that the files do not have, and
    EngineFailed when ffmpeg fails or the film does not measure as planned.
    """
    film = planned(params, context.input, context.workdir, context.report)
    made = render(film, context.workdir, context.report, context.checkpoints)
    return Produced(made.files, made.engine)
