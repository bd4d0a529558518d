"""From the marks of the speech engine to the words as they were written."""

from __future__ import annotations

from typing import get_args

import pytest

from gpu_worker.engines.speech.sidecars.espeak import MANNERS, timed_words
from shared.job_types import VoicePreset


def test_each_word_lasts_until_the_next_one_or_the_end_of_the_sentence() -> None:
    words = timed_words("Hello world. Bye", [(0, 0.0), (6, 0.3), (None, 0.8), (13, 1.1), (None, 1.6)])
    assert words == [
        {"text": "Hello", "start": 0.0, "end": 0.3},
        {"text": "world.", "start": 0.3, "end": 0.8},
        {"text": "Bye", "start": 1.1, "end": 1.6},
    ]


def test_what_is_spoken_as_several_words_stays_one() -> None:
    words = timed_words("On 2024-05-01, go", [(0, 0.0), (3, 0.2), (8, 0.9), (11, 1.2), (15, 1.5), (None, 1.8)])
    assert [(word["text"], word["start"], word["end"]) for word in words] == [
        ("On", 0.0, 0.2),
        ("2024-05-01,", 0.2, 1.5),
        ("go", 1.5, 1.8),
    ]


def test_a_mark_inside_quotes_or_on_a_space_belongs_to_the_word_before() -> None:
    words = timed_words("a “b” c", [(0, 0.0), (3, 0.1), (5, 0.2), (6, 0.3), (None, 0.4)])
    assert [word["text"] for word in words] == ["a", "“b”", "c"]


@pytest.mark.parametrize("preset", get_args(VoicePreset))
def test_every_preset_stays_within_what_espeak_can_speak(preset: VoicePreset) -> None:
    rate = MANNERS[preset].rate
    assert round(0.5 * rate) >= 80
    assert round(2.0 * rate) <= 450
