"""How much more often here than elsewhere: log-odds, an exact test, a false discovery rate, a careful ratio.

Counts are answers that hold an n-gram; the sides have ``n_here`` and ``n_elsewhere`` answers.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

PRIOR: Final = 500.0
"""Answers that the prior of the log-odds is worth."""

_ONE_SIDED_95: Final = 1.645
_SMALL: Final = 1e-9
_ROUNDS: Final = 300
_TINY: Final = 1e-300


def log_odds_z(here: Counts, elsewhere: Floats, n_here: int, n_elsewhere: float) -> Floats:
    """The z of the log-odds ratio with an informative Dirichlet prior, the pooled rates (Monroe et al. 2008)."""
    prior = PRIOR * (here + elsewhere) / (n_here + n_elsewhere)
    one, two = np.maximum(here + prior, _SMALL), np.maximum(elsewhere + prior, _SMALL)
    without_one, without_two = n_here + PRIOR - one, n_elsewhere + PRIOR - two
    delta = np.log(one / np.maximum(without_one, _SMALL)) - np.log(two / np.maximum(without_two, _SMALL))
    return np.asarray(delta / np.sqrt(1 / one + 1 / two))


def least_ratio(here: Counts, elsewhere: Floats, n_here: int, n_elsewhere: float) -> Floats:
    """How many times as often here as elsewhere at least: 95 % bounds of both rates, the lower by the upper.

    Unlike a z it tells a phrase that four answers here share with none elsewhere from one that everybody uses.
    """
    return np.asarray(_quantile(here, -1.0) / n_here / (_quantile(elsewhere + 1.0, 1.0) / n_elsewhere))


def least_excess(here: Counts, rates: Floats, n_here: int) -> Floats:
    """The same ratio to rates that are known: no bound on those."""
    return np.asarray(_quantile(here, -1.0) / n_here / rates)


def _quantile(count: npt.NDArray[np.generic], side: float) -> Floats:
    """A bound on the mean of a Poisson count, by Wilson and Hilferty."""
    mean = np.maximum(count.astype(np.float64), 1e-9)
    return np.asarray(mean * np.maximum(1 - 1 / (9 * mean) + side * _ONE_SIDED_95 / (3 * np.sqrt(mean)), 0) ** 3)


def log_p(here: Counts, elsewhere: Counts, n_here: int, n_elsewhere: int) -> Floats:
    """Log of the one-sided p of the exact conditional test: so many of all answers with the n-gram are from here."""
    pairs, inverse = np.unique(np.stack([here, elsewhere]), axis=1, return_inverse=True)
    total = pairs.sum(axis=0)
    share = n_here / (n_here + n_elsewhere)
    return np.asarray(log_binomial_tail(pairs[0], total, np.full(total.shape, share))[inverse.ravel()])


def log_binomial_tail(count: Counts, trials: Counts, rate: Floats) -> Floats:
    """Log of P(X >= count) for X ~ Binomial(trials, rate); 0 where the count is not above what is expected.

    By the continued fraction of the regularised incomplete beta function (Lentz's method).
    """
    a, b = count.astype(np.float64), (trials - count + 1).astype(np.float64)
    above = count > trials * rate
    a, b, x = np.where(above, a, 1.0), np.where(above, b, 1.0), np.where(above, rate, 0.5)
    front = a * np.log(x) + b * np.log1p(-x) - np.log(a) - (_lgamma(a) + _lgamma(b) - _lgamma(a + b))
    c = np.ones_like(a)
    d = 1 / _apart(1 - (a + b) * x / (a + 1))
    value = d.copy()
    for step in range(1, _ROUNDS):
        even = step * (b - step) * x / ((a + 2 * step - 1) * (a + 2 * step))
        odd = -(a + step) * (a + b + step) * x / ((a + 2 * step) * (a + 2 * step + 1))
        for term in (even, odd):
            d = 1 / _apart(1 + term * d)
            c = _apart(1 + term / c)
            value *= c * d
        if np.all(np.abs(c * d - 1) < 1e-10):
            break
    return np.where(above, np.minimum(front + np.log(np.maximum(value, _TINY)), 0.0), 0.0)


def _apart(value: Floats) -> Floats:
    return np.where(np.abs(value) < _TINY, _TINY, value)


def _lgamma(values: Floats) -> Floats:
    different, inverse = np.unique(values, return_inverse=True)
    return np.array([math.lgamma(value) for value in different.tolist()])[inverse]


def log_q(log_p_values: Floats, tests: int) -> Floats:
    """Log of the Benjamini-Hochberg q of each p; ``tests`` counts those that are not listed (their p is 1) too."""
    order = np.argsort(log_p_values, kind="stable")
    ranks = np.arange(1, len(order) + 1)
    raw = log_p_values[order] + math.log(max(tests, 1)) - np.log(ranks)
    smallest = np.minimum.accumulate(raw[::-1])[::-1]
    result = np.empty_like(log_p_values)
    result[order] = np.minimum(smallest, 0.0)
    return result
