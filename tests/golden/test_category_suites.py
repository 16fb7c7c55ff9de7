"""Labelled suites, one per category: the shipped filters reach each one's precision and recall."""

from __future__ import annotations

import pytest

from tests.golden.suite_scores import CATEGORY_BARS, complaints, read_suite, score


@pytest.mark.parametrize("name", CATEGORY_BARS)
def test_suite_reaches_its_precision_and_recall(name: str) -> None:
    bar = CATEGORY_BARS[name]
    result = score(read_suite(name))
    print(result.figures(name, bar))
    assert result.precision >= bar.precision, f"{result.figures(name, bar)}\n{result.mistakes()}"
    assert result.recall >= bar.recall, f"{result.figures(name, bar)}\n{result.mistakes()}"


@pytest.mark.parametrize("name", CATEGORY_BARS)
def test_suite_is_large_enough_and_free_of_repeats(name: str) -> None:
    cases = read_suite(name)
    assert not complaints(cases, CATEGORY_BARS[name].cases)
    assert {case.category for case in cases} == {name}
