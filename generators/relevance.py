"""How much an answer has to do with its prompt, without a model server: clean nonsense is still nonsense.

Content words are compared, rare ones counting more: how near the answer comes to all words of the prompt and to the
most telling of them, how near its own nearest words come to the prompt, and whether both texts as wholes point the same
way. "Near" is by the word vectors that ship with the sentence classifier, which are English; a word without one is
compared as it is spelt. A terse answer shares few words with any prompt, so the fewer its words the less they weigh.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from phrasemill.filters.request import Request
from phrasemill.filters.word_net import Floats, vectors

OFF_TOPIC: Final = 0.15
"""Below it an answer is taken for clean nonsense. ``docs/guards.md`` says what that costs and what it misses."""

_CHANCE: Final = 0.5
"""What texts that have nothing to do with each other come to; a relevance of 0 begins there."""

_COMMON: Final = 300
"""The vectors' words are in order of frequency: so many of the first say nothing about a subject."""

_RANKED: Final = 13_000
"""Words behind this rank are in no order, and count as rare as a word without a vector."""

_TASK_WORDS: Final = frozenset(
    {
        *("write", "give", "tell", "make", "list", "help", "name", "describe", "explain", "suggest", "given", "please"),
        *("following", "provide", "create", "using", "use", "word", "words", "sentence", "answer", "answers", "sorry"),
        *("question", "questions", "cannot", "ai", "language", "model"),
    }
)
_TASK_WEIGHT: Final = 0.3
"""Weight of words that speak of the task or the assistant, as a share of what their rank gives."""

_TELLING: Final = 3
_NEAREST: Final = 5
"""How many words of the prompt an answer must come near to, and how many of its own are looked at."""

_NOT_NEAR: Final = 0.3
"""Where no word of the answer comes nearer than this to any telling word of the prompt, no doubt is left."""

_LEAST_WEIGHT: Final = 1.0
"""Of a telling word."""

_DOUBT: Final = 10
"""So many words of the answer weigh half of what endless ones would."""

_STEM: Final = 5
"""Words that begin with the same so many letters count as one."""

_PROMPT_WORDS: Final = 80
_ANSWER_WORDS: Final = 250
_HEAD_CHARS: Final = 1_400
_TAIL_CHARS: Final = 600
"""A longer prompt is read at both ends."""

_ANSWER_CHARS: Final = 4_000
_LEAST_PROMPT: Final = 2
_LEAST_ANSWER: Final = 5
"""Fewer words with a vector are no ground to judge on."""

_PROMPT_KNOWN: Final = 0.5
_ANSWER_KNOWN: Final = 0.4
"""Share of the content words that must have a vector: below it the text is in another language, or code, or names."""

_FREE_KINDS: Final = frozenset({"fiction", "voiced", "transform", "phrases"})
"""A poem about grief need not say "grief", and a translation shares no word with its source."""

_WORD: Final = re.compile(r"[^\W\d_]+|\d+")


class _Content(NamedTuple):
    """The different content words of a text in order, and their weights.

    ``known``: places of those that have a vector; ``numbers``: which vector each of those has.
    """

    words: tuple[str, ...]
    weights: Floats
    known: npt.NDArray[np.int64]
    numbers: npt.NDArray[np.int64]


def relevance(prompt: str, answer: str) -> float:
    """0 (nothing to do with each other) to 1.

    1 as well where words cannot tell: a prompt or an answer of a few words, of code or names alone or not in English,
    and requests for a story, a letter, a translation or sample phrases, whose words the prompt does not set.
    """
    if len(prompt) > _HEAD_CHARS + _TAIL_CHARS:
        prompt = f"{prompt[:_HEAD_CHARS]}\n{prompt[-_TAIL_CHARS:]}"
    asked, said = _content(prompt, _PROMPT_WORDS), _content(answer[:_ANSWER_CHARS], _ANSWER_WORDS)
    if not (_is_enough(asked, _LEAST_PROMPT, _PROMPT_KNOWN) and _is_enough(said, _LEAST_ANSWER, _ANSWER_KNOWN)):
        return 1.0
    if Request(prompt).kind in _FREE_KINDS:
        return 1.0
    similar = vectors().rows[asked.numbers] @ vectors().rows[said.numbers].T
    match = _matches(asked, said, similar)
    if match[asked.weights > _LEAST_WEIGHT].max(initial=0.0) < _NOT_NEAR:
        return 0.0
    weight = len(said.known) / (len(said.known) + _DOUBT)
    doubted = 1.0 - (1.0 - _agreement(asked, said, similar, match)) * weight
    return min(1.0, max(0.0, (doubted - _CHANCE) / (1.0 - _CHANCE)))


def _matches(asked: _Content, said: _Content, similar: Floats) -> Floats:
    """How near the answer comes to each word of the prompt, 0 to 1; 1 for a word that it says."""
    match = np.zeros(len(asked.words), dtype=np.float32)
    match[asked.known] = similar.max(axis=1).clip(0.0, 1.0)
    stems = {word[:_STEM] for word in said.words}
    match[[word[:_STEM] in stems for word in asked.words]] = 1.0
    return match


def _agreement(asked: _Content, said: _Content, similar: Floats, match: Floats) -> float:
    """The mean of the four measures, about 0.1 to 1."""
    matched = asked.weights * match
    count = min(_TELLING, len(matched))
    telling = np.sort(matched)[-count:].sum() / np.sort(asked.weights)[-count:].sum()
    nearest = np.sort(similar.max(axis=0).clip(0.0, 1.0))[-_NEAREST:].mean()
    rows = vectors().rows
    one, other = (rows[text.numbers].T @ text.weights[text.known] for text in (asked, said))
    direction = one @ other / max(float(np.linalg.norm(one) * np.linalg.norm(other)), 1e-9)
    return float(telling + matched.sum() / asked.weights.sum() + nearest + direction) / 4


def _content(text: str, most: int) -> _Content:
    numbers = _numbers()
    found: dict[str, int | None] = {}
    for word in _WORD.findall(text.lower()):
        number = numbers.get(word)
        if len(word) > 1 and (number is None or number >= _COMMON):
            found.setdefault(word, number)
            if len(found) == most:
                break
    known = [(place, number) for place, number in enumerate(found.values()) if number is not None]
    return _Content(
        tuple(found),
        np.array([_weight(word, number) for word, number in found.items()], dtype=np.float32),
        np.array([place for place, _ in known], dtype=np.int64),
        np.array([number for _, number in known], dtype=np.int64),
    )


def _weight(word: str, number: int | None) -> float:
    rank = _RANKED if number is None else min(number, _RANKED)
    return float(np.log(2 * rank / _COMMON)) * (_TASK_WEIGHT if word in _TASK_WORDS else 1.0)


def _is_enough(text: _Content, least: int, share: float) -> bool:
    return len(text.known) >= least and len(text.known) >= share * len(text.words)


@lru_cache(maxsize=1)
def _numbers() -> dict[str, int]:
    return {word: number for number, word in enumerate(vectors().words["word"])}
