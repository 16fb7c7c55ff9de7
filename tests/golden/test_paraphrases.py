"""Tics in words that no phrase list has are found by what they mean, and near misses are left alone."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.golden.suite_scores import FILTERS, PARAPHRASE_BAR, complaints, read_suite, score

CATEGORIES = ("ai_self_reference", "refusal", "sycophancy", "moralising")


@pytest.mark.xfail(strict=True, reason="the aim stands in suite_scores; the shipped sentence model is far from it")
def test_paraphrases_are_found_and_near_misses_left_alone() -> None:
    cases = read_suite("paraphrases")
    result = score(cases)
    lines = [result.figures(f"paraphrases with {'+'.join(FILTERS)}", PARAPHRASE_BAR)]
    for name in CATEGORIES:
        of_category = score([case for case in cases if case.category == name])
        lines.append(of_category.figures(f"  {name}", PARAPHRASE_BAR))
    print("\n".join(lines))
    shown = "\n".join([*lines, result.mistakes()])
    assert result.recall >= PARAPHRASE_BAR.recall, shown
    assert result.precision >= PARAPHRASE_BAR.precision, shown


def test_suite_is_balanced_over_its_categories() -> None:
    cases = read_suite("paraphrases")
    assert not complaints(cases, PARAPHRASE_BAR.cases)
    per_category = Counter((case.category, case.wanted) for case in cases)
    assert set(per_category) == {(name, wanted) for name in CATEGORIES for wanted in (True, False)}
    assert min(per_category.values()) >= PARAPHRASE_BAR.cases // len(CATEGORIES)
