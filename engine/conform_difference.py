"""Differences with their intervals, and what they are called: better, worse, or no difference shown."""

from __future__ import annotations

from math import sqrt
from typing import Final

import numpy as np
import polars as pl

from phrasemill.engine.conform_judged import seed_of
from phrasemill.engine.conform_model import LEVEL, Change, Measure, Verdict
from phrasemill.generators.judging.intervals import bootstrap_mean, wilson

UNKNOWN: Final = Change(this=None, other=None, difference=None, verdict="not known")

_ROUNDS: Final = 2000


def of_pairs(mine: pl.Series, theirs: pl.Series, name: str) -> Measure:
    """The mean of the differences, one pair a line, with its bootstrap interval; ``name`` seeds it."""
    differences = (mine - theirs).to_numpy()
    low, high = bootstrap_mean(differences, seed_of(name), LEVEL, _ROUNDS)
    return Measure(value=round(float(differences.mean()), 4), low=round(low, 4), high=round(high, 4))


def of_samples(mine: pl.Series, theirs: pl.Series, name: str) -> Measure:
    """The difference of two means with its interval: both samples are drawn again each round.

    Scores are told apart to a tenth, so that the cost does not grow with their number. ``name`` seeds it.
    """
    rng = np.random.default_rng(seed_of(name))
    means = []
    for scores in (mine, theirs):
        levels, counts = np.unique(scores.to_numpy().round(1), return_counts=True)
        means.append(rng.multinomial(len(scores), counts / len(scores), size=_ROUNDS) @ levels / len(scores))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(means[0] - means[1], [tail, 1 - tail])
    value = float(np.sort(mine.to_numpy()).mean() - np.sort(theirs.to_numpy()).mean())
    return Measure(value=round(value, 4), low=round(float(low), 4), high=round(float(high), 4))


def change_of_shares(counts: tuple[tuple[int, int], tuple[int, int]], *, more_is_better: bool) -> Change:
    """Two shares; the interval of their difference is Newcombe's, made of the Wilson intervals of both."""
    this, other = (part / of if of else None for part, of in counts)
    if this is None or other is None:
        return Change(this=this, other=other, difference=None, verdict="not known")
    (low, high), (other_low, other_high) = (wilson(part, of, LEVEL) for part, of in counts)
    value = this - other
    down = sqrt((this - low) ** 2 + (other_high - other) ** 2)
    up = sqrt((high - this) ** 2 + (other - other_low) ** 2)
    difference = Measure(value=value, low=value - down, high=value + up)
    return change_to(this, other, difference, more_is_better=more_is_better)


def change_to(this: float | None, other: float | None, difference: Measure, *, more_is_better: bool) -> Change:
    """The change with its verdict: an interval that holds zero shows nothing."""
    verdict: Verdict = "no difference shown"
    if difference.low > 0 or difference.high < 0:
        verdict = "better" if (difference.low > 0) == more_is_better else "worse"
    return Change(this=this, other=other, difference=difference, verdict=verdict)
