"""Confounds of pairs, and what balancing leaves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasemill.generators.confounds import auc, balance, measure, told

LENGTHS = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), max_size=120)


def test_auc_counts_pairs_of_numbers() -> None:
    assert auc([3, 4], [1, 2]) == 1.0
    assert auc([1, 2], [3, 4]) == 0.0
    assert auc([2], [2]) == 0.5
    assert auc([1, 3], [2]) == 0.5
    assert auc([], [1]) == 0.5


def test_either_way_of_looking_counts() -> None:
    # Every chosen side is one longer than its own rejected side, and lengths as such tell little.
    rejected = np.arange(0.0, 1000.0, 10)
    assert auc(rejected + 1, rejected) == pytest.approx(0.505)
    assert told(rejected + 1, rejected) == 1.0


def test_measures_name_what_differs() -> None:
    chosen = ["- one\n- two", "**Bold** and more", "# Head\ntext"]
    rejected = ["one and two", "bold and more", "head, text"]
    found = measure(chosen, rejected)
    assert found.pairs == 3
    assert found.format_auc == 1.0
    assert found.hedging_auc == 0.5
    assert measure(["maybe so"], ["so it is"]).hedging_auc == 1.0
    assert measure([], []).length_auc == 0.5


def test_one_sided_pairs_cannot_be_balanced() -> None:
    assert balance([9, 8, 7], [1, 1, 1], seed=1).tolist() == []
    assert balance([], [], seed=1).tolist() == []


def test_close_pairs_of_the_commoner_kind_are_kept() -> None:
    chosen = [100] * 40 + [90] * 10
    rejected = [99] * 20 + [10] * 20 + [95] * 10
    kept = balance(chosen, rejected, seed=1, max_auc=0.6)
    assert set(range(40, 50)) <= set(kept.tolist())
    assert not set(range(20, 40)) & set(kept.tolist())
    assert len(kept) >= 20


@given(LENGTHS, st.integers(0, 5), st.sampled_from([0.5, 0.55, 0.6, 0.8]))
def test_length_never_tells_more_than_the_limit(pairs: list[tuple[int, int]], seed: int, limit: float) -> None:
    chosen, rejected = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    kept = balance(chosen, rejected, seed=seed, max_auc=limit)
    assert kept.tolist() == sorted(set(kept.tolist()))
    assert told(np.array(chosen, float)[kept], np.array(rejected, float)[kept]) <= limit
    assert balance(chosen, rejected, seed=seed, max_auc=limit).tolist() == kept.tolist()
