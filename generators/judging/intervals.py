"""How sure a figure is: intervals of shares, of means and of an area under a curve."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_BINS: Final = 1_000
"""Distinct values that a bootstrap tells apart: so its cost does not grow with the number of values."""


def wilson(successes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval of a share, within 0 to 1; all of it where ``n`` is 0.

    Raises:
        ValueError: ``successes`` is not within 0 to ``n``, or ``level`` not between 0 and 1.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"got {successes} successes of {n}, expected 0 to {n}")
    z = _quantile(level)
    if n == 0:
        return 0.0, 1.0
    share, square = successes / n, z * z / n
    middle = (share + square / 2) / (1 + square)
    half = z * sqrt(share * (1 - share) / n + square / n / 4) / (1 + square)
    # Exact at the ends, where rounding would leave a hair outside.
    return (0.0 if successes == 0 else middle - half), (1.0 if successes == n else middle + half)


def bootstrap_mean(
    values: Sequence[float] | Floats, seed: int, level: float = 0.95, rounds: int = 2000
) -> tuple[float, float]:
    """The percentile bootstrap interval of the mean: the same for the same values, in any order, and seed.

    Values that are drawn again fall into one of a thousand bins of their range; the whole is moved by what that shifts
    the mean. One value gives that value twice.

    Raises:
        ValueError: there are no values, one is not finite, or ``level`` is not between 0 and 1.
    """
    _quantile(level)
    sample = np.asarray(values, dtype=np.float64)
    if not sample.size or not np.isfinite(sample).all():
        raise ValueError(f"got {sample.size} values, expected at least one, all of them finite")
    levels, counts = np.unique(sample, return_counts=True)
    if len(levels) > _BINS:
        edges = np.linspace(levels[0], levels[-1], _BINS + 1)
        inside = np.clip(np.searchsorted(edges, sample, side="right") - 1, 0, _BINS - 1)
        counts = np.bincount(inside, minlength=_BINS)
        levels = (edges[:-1] + edges[1:]) / 2
    drawn = np.random.default_rng(seed).multinomial(sample.size, counts / sample.size, size=rounds)
    means = drawn @ levels / sample.size
    shift = float(np.sort(sample).mean()) - float(counts @ levels / sample.size)
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail]) + shift
    return float(low), float(high)


def area(positive: Floats, negative: Floats) -> float:
    """The area under the curve: how often a positive stands above a negative, equal ones counting half.

    Raises:
        ValueError: one of the two is empty.
    """
    if not len(positive) or not len(negative):
        raise ValueError(f"got {len(positive)} positives and {len(negative)} negatives, expected some of each")
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, side="left").sum()
    up_to = np.searchsorted(ordered, positive, side="right").sum()
    return float((below + up_to) / 2 / (len(positive) * len(negative)))


def bootstrap_area(
    chosen: Floats, rejected: Floats, seed: int, level: float = 0.95, rounds: int = 1000
) -> tuple[float, float]:
    """The percentile bootstrap interval of the area, pairs drawn whole: ``chosen[i]`` and ``rejected[i]`` go together.

    Raises:
        ValueError: the two differ in length or are empty, or ``level`` is not between 0 and 1.
    """
    _quantile(level)
    if len(chosen) != len(rejected) or not len(chosen):
        raise ValueError(f"got {len(chosen)} chosen and {len(rejected)} rejected, expected pairs")
    rng = np.random.default_rng(seed)
    draws = (rng.integers(0, len(chosen), len(chosen)) for _ in range(rounds))
    areas = np.array([area(chosen[drawn], rejected[drawn]) for drawn in draws])
    tail = (1 - level) / 2
    low, high = np.quantile(areas, [tail, 1 - tail])
    return float(low), float(high)


def _quantile(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"got level {level}, expected a number between 0 and 1, such as 0.95")
    return NormalDist().inv_cdf((1 + level) / 2)
