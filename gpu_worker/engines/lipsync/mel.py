"""The sound as Wav2Lip hears it: a mel spectrogram, in the very numbers its training had (audio.py and hparams.py of
github.com/Rudrabha/Wav2Lip). The filters and the transform are librosa's (librosa.filters.mel, librosa.stft).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

RATE = 16_000
"""Samples a second."""
STEPS_A_SECOND = 80
BINS = 80
WIDTH = 16
"""Steps that are heard for one frame of the film: a fifth of a second."""

Floats = NDArray[np.float32]
_HOP = RATE // STEPS_A_SECOND
_FFT = 800
_LOWEST, _HIGHEST = 55.0, 7600.0
_PREEMPHASIS, _REFERENCE_DB, _LEAST_DB, _RANGE = 0.97, 20.0, -100.0, 4.0
# Slaney's scale: linear up to 1000 Hz, logarithmic from there, 27 mels for a factor of 6.4.
_HZ_A_MEL, _BREAK_HZ, _LOG_STEP = 200 / 3, 1000.0, np.log(6.4) / 27
_BLOCK = 4096


def mel(samples: Floats) -> Floats:
    """BINS x steps, from -4 (silence) to 4, of mono samples at RATE; 1 + samples // 200 steps."""
    emphasized = np.append(samples[:1], samples[1:] - _PREEMPHASIS * samples[:-1])
    padded = np.pad(emphasized, _FFT // 2)
    if len(samples) == 0:
        padded = np.zeros(_FFT, np.float32)
    windows = sliding_window_view(padded, _FFT)[::_HOP]
    # In blocks: the spectrum of an hour of sound takes gigabytes.
    parts = [_block(windows[start : start + _BLOCK]) for start in range(0, len(windows), _BLOCK)]
    return np.concatenate(parts, axis=1)


def windows(spectrogram: Floats, fps: float, frames: range) -> Floats:
    """What is heard at each of these frames: frames x BINS x WIDTH. Past the end, the end stays."""
    missing = WIDTH - spectrogram.shape[1]
    if missing > 0:
        spectrogram = np.pad(spectrogram, ((0, 0), (0, missing)), constant_values=-_RANGE)
    starts = np.minimum((np.array(frames) * (STEPS_A_SECOND / fps)).astype(int), spectrogram.shape[1] - WIDTH)
    return sliding_window_view(spectrogram, WIDTH, axis=1)[:, starts].transpose(1, 0, 2)


def _block(windows: Floats) -> Floats:
    spectrum = np.abs(np.fft.rfft(windows * _hann(), axis=1)).T
    loudness = 20 * np.log10(np.maximum(10 ** (_LEAST_DB / 20), _filters() @ spectrum)) - _REFERENCE_DB
    scaled = 2 * _RANGE * (loudness - _LEAST_DB) / -_LEAST_DB - _RANGE
    return np.clip(scaled, -_RANGE, _RANGE).astype(np.float32)


@cache
def _hann() -> NDArray[np.float64]:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FFT) / _FFT)


@cache
def _filters() -> NDArray[np.float64]:
    """BINS triangles over the frequencies of the transform, each of area one (Slaney's norm)."""
    edges = _hz(np.linspace(_mels(_LOWEST), _mels(_HIGHEST), BINS + 2))[:, None]
    at = np.linspace(0, RATE / 2, _FFT // 2 + 1)
    rising = (at - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - at) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rising, falling)) * 2 / (edges[2:] - edges[:-2])


def _mels(hz: float) -> float:
    return hz / _HZ_A_MEL if hz < _BREAK_HZ else _BREAK_HZ / _HZ_A_MEL + np.log(hz / _BREAK_HZ) / _LOG_STEP


def _hz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    above = mels - _BREAK_HZ / _HZ_A_MEL
    return np.where(above < 0, mels * _HZ_A_MEL, _BREAK_HZ * np.exp(_LOG_STEP * np.maximum(above, 0)))
