"""Which share of a pixel is painted and which stays as it was filmed."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_EYES, _MOUTH = 0.4, 0.6
_MARGIN = 0.1


@lru_cache(maxsize=64)
def feather(height: int, width: int) -> NDArray[np.float32]:
    """height x width from 0, as filmed, to 1, as painted: the lower part of a face, soft towards every side.

    Above the nose Wav2Lip only repeats what it was shown, at 96 pixels: the film's own eyes are sharper.
    """
    down, across = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
    rows = np.minimum(_ramp((down - _EYES) / (_MOUTH - _EYES)), _ramp((1 - down) / _MARGIN))
    columns = _ramp(np.minimum(across, 1 - across) / _MARGIN)
    return (rows[:, None] * columns[None, :]).astype(np.float32)


def _ramp(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """0 below 0, 1 above 1, without a kink in between (smoothstep)."""
    t = np.clip(x, 0, 1)
    return np.asarray(t * t * (3 - 2 * t))
