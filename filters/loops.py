"""Loops: a stretch of an answer that says the same words over and over, as a model does that cannot stop.

A loop of period p is a run of words each equal to the one p words on. Every period is one comparison of two arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from phrasemill.filters.words import Words

LONGEST_PERIOD: Final = 60
"""Words of the longest passage whose repetition is looked for."""

LEAST_WORDS: Final = 16
"""A loop has at least so many words in all: shorter ones are emphasis ("very, very, very")."""


class Loop(NamedTuple):
    """Words ``first:stop`` of a chunk repeat every ``period`` words."""

    first: int
    stop: int
    period: int

    @property
    def times(self) -> float:
        """How often the passage is said."""
        return (self.stop - self.first) / self.period


def copies_needed(period: int) -> int:
    """How often a passage of so many words must be said: a refrain of a line is said three times with good reason."""
    return 8 if period == 1 else 5 if period <= 6 else 4 if period <= 20 else 3


def find_loops(words: Words) -> list[Loop]:
    """Loops of all texts of a chunk, the longest first where several overlap, in order of their start."""
    owner = words.owner()
    found = [
        Loop(first, stop, period)
        for period in range(1, LONGEST_PERIOD + 1)
        for first, stop in _of_period(words.hash, owner, period)
    ]
    found.sort(key=lambda loop: (loop.first - loop.stop, loop.period))
    chosen: list[Loop] = []
    taken = np.zeros(len(words.hash), dtype=np.bool_)
    for loop in found:
        if not taken[loop.first : loop.stop].any():
            taken[loop.first : loop.stop] = True
            chosen.append(loop)
    return sorted(chosen)


def _of_period(hashed: npt.NDArray[np.uint64], owner: npt.NDArray[np.int64], period: int) -> Iterator[tuple[int, int]]:
    if len(hashed) <= period:
        return
    equal = np.flatnonzero((hashed[:-period] == hashed[period:]) & (owner[:-period] == owner[period:]))
    needed = max((copies_needed(period) - 1) * period, LEAST_WORDS - period)
    if len(equal) < needed:
        return
    breaks = np.flatnonzero(np.diff(equal) > 1)
    first = np.concatenate([equal[:1], equal[breaks + 1]])
    last = np.concatenate([equal[breaks], equal[-1:]])
    long = last - first + 1 >= needed
    for start, stop in zip(first[long].tolist(), last[long].tolist(), strict=True):
        if owner[start] == owner[stop]:
            yield start, stop + 1 + period
