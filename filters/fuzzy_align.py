"""A reference phrase against the words of a sentence: the cheapest way to read one as the other.

Weighted edit distance between words. A misspelt word costs little; another function word, an adjective or an adverb
costs little; a word that carries the phrase is dear to miss, and so is a foreign noun or verb inside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Final, NamedTuple

from phrasemill.filters.fuzzy_phrases import NEVER, Slot, Template
from phrasemill.filters.fuzzy_words import Token, Vocabulary

_FREE: Final = 0.04
_MODIFIER: Final = 0.08
_FUNCTION: Final = 0.12
_NEGATION: Final = 1.0
_FOREIGN: Final = 0.7

_COMMA: Final = 0.06
_BREAK: Final = 0.7
_NOTHING: Final = frozenset(" \t\r\n*_-\u2010\u2011\u00a0.'\u2019")
_NEGATIONS: Final = frozenset({"not", "never", "no", "nor", "neither", "without", "none", "nobody", "nothing"})


class Alignment(NamedTuple):
    """How well a phrase fits (0 to 1) and which words it covers: indices, half-open, ``stop`` before its lookahead."""

    score: float
    start: int
    stop: int


class Words:
    """The words of a sentence with what it costs to step over each one, and over the marks in front of it."""

    def __init__(self, text: str, tokens: Sequence[Token], vocabulary: Vocabulary) -> None:
        self.tokens = tokens
        self.distinct = frozenset([token.word for token in tokens])
        self._text = text
        self._vocabulary = vocabulary

    def may_hold(self, template: Template) -> bool:
        """Whether there is a word for each required slot, in whatever order."""
        for slot in template.required:
            if slot.words.isdisjoint(self.distinct) and all(slot.cost(word) >= NEVER for word in self.distinct):
                return False
        return True

    @cached_property
    def extra(self) -> list[float]:
        """What each word costs that is no part of the phrase."""
        return [_extra(token.word, self._vocabulary) for token in self.tokens]

    @cached_property
    def gaps(self) -> list[float]:
        """What the marks before each word cost inside a phrase."""
        between = (self._text[last.stop : token.start] for last, token in pairwise(self.tokens))
        return [0.0, *(0.0 if gap in ("", " ") else _gap(gap) for gap in between)]


def farthest(template: Template, low: int, high: int) -> int:
    """How many words further than slot ``low`` the word of slot ``high`` can stand, whatever the text."""
    free = any(low < slot <= high for slot in template.free_after)
    budget = template.weight * (1.0 - template.entry.plain.threshold)
    # A word in two halves is two words of the text.
    halves = 1 + sum(slot.is_content for slot in template.slots[low : high + 1])
    return high - low + halves + int(budget / (_FREE if free else _MODIFIER))


def _extra(word: str, vocabulary: Vocabulary) -> float:
    if word in _NEGATIONS:
        return _NEGATION
    if not (word.isascii() and word.isalnum()):
        return NEVER
    if word in vocabulary.function:
        return _FUNCTION
    return _MODIFIER if vocabulary.is_modifier(word) else _FOREIGN


def _gap(between: str) -> float:
    marks = set(between) - _NOTHING
    if not marks:
        return 0.0
    return _COMMA if marks <= {","} else _BREAK


_Cell = tuple[float, int, int]
"""What it has cost so far, the first word used, and the word behind the last one that belongs to the phrase."""

_Row = dict[int, _Cell]
"""The cheapest way to each place: all slots up to one are read, and the words before the place are used or skipped."""


def align(template: Template, words: Words, threshold: float, *, first: bool = False) -> Alignment | None:
    """The best place of the template among the words, or None where every one scores below ``threshold``.

    ``first``: only at the first word. Of equally good places the first. Time: slots x words.
    """
    budget = template.weight * (1.0 - threshold) + 1e-9
    if not words.may_hold(template):
        return None
    row: _Row = {at: (0.0, at, at) for at in ([0] if first else _starts(template, words, budget))}
    last = len(template.slots) - 1
    for number, slot in enumerate(template.slots):
        row = _read(row, slot, words, budget, number < template.inside)
        if not row:
            return None
        if number < last:
            _skip(row, words, budget, number + 1 in template.free_after)
    cost, start, stop = min(row.values(), key=lambda cell: (cell[0], cell[1], -cell[2]))
    return Alignment(1.0 - cost / template.weight, start, stop)


def _starts(template: Template, words: Words, budget: float) -> list[int]:
    """Where the phrase can begin: not too far before a word that it requires."""
    number = template.anchors[0]
    slot = template.slots[number]
    far = number + int(budget / _FREE)
    seen = -1
    starts: list[int] = []
    for at, token in enumerate(words.tokens):
        if slot.cost(token.word) < NEVER:
            starts.extend(range(max(seen + 1, at - far), at + 1))
            seen = at
    return starts


def _read(row: _Row, slot: Slot, words: Words, budget: float, inside: bool) -> _Row:
    """The row with one slot more: each word read as it, or the slot left out."""
    after: _Row = {}
    tokens, gaps = words.tokens, words.gaps
    for at, (cost, start, stop) in row.items():
        left_out = cost + slot.missing
        if left_out <= budget and (at not in after or left_out < after[at][0]):
            after[at] = (left_out, start, stop)
        if at < len(tokens):
            used = cost + slot.cost(tokens[at].word) + (0.0 if start == at else gaps[at])
            if used <= budget and (at + 1 not in after or used < after[at + 1][0]):
                after[at + 1] = (used, start, at + 1 if inside else stop)
    return after


def _skip(row: _Row, words: Words, budget: float, is_free: bool) -> None:
    """Step over words that are no part of the phrase, from left to right."""
    for origin in sorted(row):
        cost, start, stop = row[origin]
        if start == origin:
            continue
        for at in range(origin, len(words.tokens)):
            cost += (_FREE if is_free else words.extra[at]) + words.gaps[at]
            known = row.get(at + 1)
            if cost > budget or (known is not None and known[0] <= cost):
                break
            row[at + 1] = (cost, start, stop)
