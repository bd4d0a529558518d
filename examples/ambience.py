"""A quiet bed of slow chords and soft air, synthesised: the same seed gives the same sound."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE = 48_000
CHORD_SECONDS = 6.0
# D add 9, B minor 7, G major 7, A: the notes as semitones from A4 (440 Hz).
CHORDS = [(-31, -19, -12, -5, -3), (-22, -15, -10, -7, 0), (-26, -19, -10, -7, -3), (-24, -17, -12, -8, -5)]
Samples = NDArray[np.float64]


def write_ambience(path: Path, seconds: float, seed: int = 7) -> None:
    """Write `seconds` of stereo sound at 48 kHz, 16 bits, peaking at -6 dBFS."""
    rng = np.random.default_rng(seed)
    count = int(seconds * RATE)
    sound = _pad(count, rng) + 0.5 * _air(count, rng)
    sound *= 0.5 / np.abs(sound).max()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((sound.T * 32767).astype("<i2").tobytes())


def _pad(count: int, rng: np.random.Generator) -> Samples:
    """Chords that swell into one another. Shape (2, count)."""
    sound = np.zeros((2, count))
    for number in range(int(count / RATE / CHORD_SECONDS) + 1):
        # Each chord swells over one chord's length and fades over the next, so two always overlap.
        start = int((number - 0.5) * CHORD_SECONDS * RATE)
        inside = np.arange(max(start, 0), min(start + int(2 * CHORD_SECONDS * RATE), count))
        swell = np.sin(np.pi * (inside - start) / (2 * CHORD_SECONDS * RATE)) ** 2
        for semitone in CHORDS[number % len(CHORDS)]:
            sound[:, inside] += swell * _note(440 * 2 ** (semitone / 12), inside / RATE, rng)
    return sound


def _note(hertz: float, at: Samples, rng: np.random.Generator) -> Samples:
    """One warm note: a few falling harmonics, each ear slightly out of tune with the other. Shape (2, len(at))."""
    harmonics = np.arange(1, 5)
    voices = []
    for detune in (0.9985, 1.0015):
        phases = rng.uniform(0, 2 * np.pi, harmonics.size)
        tone = np.sin(2 * np.pi * hertz * detune * harmonics[:, None] * at + phases[:, None])
        tremolo = 1 + 0.2 * np.sin(2 * np.pi * rng.uniform(0.08, 0.2) * at + rng.uniform(0, 2 * np.pi))
        voices.append(tremolo * (tone / harmonics[:, None] ** 1.8).sum(axis=0))
    # Equal loudness, roughly, on speakers that are weak below 150 Hz.
    return np.asarray(np.array(voices) * (220 / hertz) ** 0.15)


def _air(count: int, rng: np.random.Generator) -> Samples:
    """Noise that falls off above 400 Hz, breathing slowly. Shape (2, count)."""
    spectrum = np.fft.rfft(rng.standard_normal((2, count)))
    hertz = np.fft.rfftfreq(count, 1 / RATE)
    spectrum *= 1 / (1 + (hertz / 400) ** 2) * (hertz > 40)
    noise = np.fft.irfft(spectrum, count)
    breath = 0.6 + 0.4 * np.sin(2 * np.pi * 0.07 * np.arange(count) / RATE)
    return np.asarray(noise / noise.std() * breath * 0.3)
