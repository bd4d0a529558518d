"""Lines that fit into the frame. Pure.

libass breaks lines at spaces alone and knows no limit of lines. Here they are broken where each script allows it, made
of about the same length, and cut inside a word only when the word is wider than the frame.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import dropwhile

from gpu_worker.timeline.words.letters import Letter, Letters, width

# Han, kana and full-width forms: a line may end between any two but where the punctuation forbids it (JIS X 4051).
_ANYWHERE = re.compile(r"[\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uff60\U00020000-\U0003ffff]")
_NOT_FIRST = set("、。，．・：；？！ー」』）】〕〉》”’ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ々〜…‥,.!?:;)]}%")
_NOT_LAST = set("「『（【〔〈《“‘([{")
_BREAK_AFTER = set("-/–—\u200b\u00ad")
_LEADING_VOWELS = set("เแโใไເແໂໃໄ")
_FOLLOWING_VOWELS = set("ะาๅๆฯະາຽໆ")
_STEPS = 24


@dataclass(frozen=True)
class _Unit:
    """Letters that stay together, and the space after them, which a line's end swallows."""

    letters: Letters
    space: Letters
    width: float
    gap: float


def broken(text: Sequence[Letter], room: float) -> list[Letters]:
    """As few lines of at most `room` ems as there can be, and these of about the same length."""
    if width(text) <= room:
        return [tuple(dropwhile(_is_space, text))]
    words = list(_words(text))
    few = _filled(words, room, room)
    widest = room
    narrow = max((word.width for word in words if word.width <= room), default=0.0)
    for _ in range(_STEPS if len(few) > 1 else 0):
        middle = (narrow + widest) / 2
        even = _filled(words, middle, room)
        if len(even) <= len(few):
            few, widest = even, middle
        else:
            narrow = middle
    return few


def fewest(text: Sequence[Letter], room: float) -> int:
    """How many lines of at most `room` ems it takes."""
    return 1 if width(text) <= room else len(_filled(list(_words(text)), room, room))


def _filled(words: Sequence[_Unit], limit: float, room: float) -> list[Letters]:
    """Lines of at most `limit`; only words that are wider than `room` are cut."""
    units = [part for word in words for part in (_cut(word, limit) if word.width > room else (word,))]
    lines: list[list[Letter]] = [[]]
    used = gap = 0.0
    space: Letters = ()
    for unit in units:
        if lines[-1] and used + gap + unit.width > limit + 1e-6:
            lines.append([])
            used = gap = 0.0
            space = ()
        lines[-1] += [*space, *unit.letters]
        used += gap + unit.width
        gap, space = unit.gap, unit.space
    return [tuple(line) for line in lines]


def _is_space(letter: Letter) -> bool:
    return letter.is_space


def _words(text: Sequence[Letter]) -> Iterator[_Unit]:
    held: list[Letter] = []
    for n, letter in enumerate(text):
        if letter.is_space:
            continue
        held.append(letter)
        after = tuple(_spaces(text, n + 1))
        follower = text[n + 1] if n + 1 < len(text) else None
        if after or follower is None or _may_end(letter, follower):
            yield _Unit(tuple(held), after, width(held), width(after))
            held = []


def _spaces(text: Sequence[Letter], start: int) -> Iterator[Letter]:
    for letter in text[start:]:
        if not letter.is_space:
            return
        yield letter


def _may_end(letter: Letter, follower: Letter) -> bool:
    """Whether a line may end between the two."""
    before, after = letter.text[-1], follower.text[0]
    if before in _BREAK_AFTER:
        return not after.isdigit()
    if not _ANYWHERE.match(before) and not _ANYWHERE.match(after):
        return False
    return before not in _NOT_LAST and after not in _NOT_FIRST


def _cut(word: _Unit, room: float) -> Iterator[_Unit]:
    """A word that is wider than a line, in parts that are not."""
    start, used = 0, 0.0
    for n, letter in enumerate(word.letters):
        if n > start and used + letter.width > room:
            end = next((end for end in range(n, start, -1) if _may_cut(word.letters, end)), n)
            yield _Unit(word.letters[start:end], (), width(word.letters[start:end]), 0.0)
            start, used = end, width(word.letters[end:n])
        used += letter.width
    yield _Unit(word.letters[start:], word.space, used, word.gap)


def _may_cut(text: Sequence[Letter], end: int) -> bool:
    """Thai and Lao have no spaces between words; at least a syllable's vowels stay with its consonant."""
    before, after = text[end - 1].text[0], text[end].text[0]
    return before not in _LEADING_VOWELS and after not in _FOLLOWING_VOWELS and after not in _NOT_FIRST
