"""The film's sound: parts mixed in bounded groups, ducked under voices and mastered to its loudness."""

from gpu_worker.timeline.audio.render import Master, render_sound

__all__ = ["Master", "render_sound"]
