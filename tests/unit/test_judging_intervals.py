"""Intervals against known figures and against what they claim."""

from __future__ import annotations

import numpy as np
import pytest

from phrasemill.generators.judging.intervals import area, bootstrap_area, bootstrap_mean, wilson


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    # Newcombe (1998), table I: method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_published_figures(successes: int, n: int, low: float, high: float) -> None:
    assert wilson(successes, n) == pytest.approx((low, high), abs=1e-4)
    mirrored = wilson(n - successes, n)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-4)


def test_wilson_of_nothing_and_of_nonsense() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 5)[0] == 0.0
    assert wilson(5, 5)[1] == 1.0
    assert wilson(8, 10, level=0.99)[0] < wilson(8, 10)[0]
    for bad in ((3, 2), (-1, 2)):
        with pytest.raises(ValueError, match="successes"):
            wilson(*bad)
    with pytest.raises(ValueError, match="level"):
        wilson(1, 2, level=95)


def test_the_bootstrap_is_near_the_normal_interval_and_always_the_same() -> None:
    values = np.random.default_rng(3).normal(60, 12, 400)
    low, high = bootstrap_mean(values, seed=1)
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.25)
    assert bootstrap_mean(values[::-1], seed=1) == (low, high)
    assert bootstrap_mean(list(values), seed=2) != (low, high)


def test_many_distinct_values_are_binned_without_harm() -> None:
    values = np.random.default_rng(4).gamma(2.0, 10.0, 5_000)
    low, high = bootstrap_mean(values, seed=1)
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.06)


def test_the_bootstrap_covers_the_mean_about_as_often_as_it_says() -> None:
    dice = np.random.default_rng(5)
    inside = 0
    for seed in range(200):
        low, high = bootstrap_mean(dice.integers(0, 101, 60), seed, rounds=500)
        inside += low <= 50 <= high
    assert 180 <= inside <= 200


def test_the_bootstrap_of_little() -> None:
    assert bootstrap_mean([7.0], seed=1) == (7.0, 7.0)
    assert bootstrap_mean([5.0, 5.0], seed=1) == (5.0, 5.0)
    for bad in ([], [1.0, float("nan")]):
        with pytest.raises(ValueError, match="finite"):
            bootstrap_mean(bad, seed=1)


def test_area_under_the_curve() -> None:
    assert area(np.array([3.0, 2.0]), np.array([1.0, 0.0])) == 1.0
    assert area(np.array([1.0, 1.0]), np.array([1.0])) == 0.5
    assert area(np.array([1.0, 3.0]), np.array([2.0, 0.0])) == 0.75
    low, high = bootstrap_area(np.array([1.0, 3.0, 4.0, 2.0]), np.array([2.0, 0.0, 1.0, 2.5]), seed=1)
    assert 0.0 <= low < 0.8 < high <= 1.0
    with pytest.raises(ValueError, match="positives"):
        area(np.array([]), np.array([1.0]))
