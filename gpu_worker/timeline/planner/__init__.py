"""From a timeline and its probed files to a film on whole frames and samples. Pure: nothing is opened or run."""

from gpu_worker.timeline.planner.plan import plan

__all__ = ["plan"]
