"""Small labelled suites, written before the rules: each category finds its hits and leaves the look-alikes alone."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import yaml

from phrasemill.filters.examples import conversations
from phrasemill.filters.regex import RegexFilter
from phrasemill.schemas.rule import Example

SUITES = Path(__file__).parent / "suites"
NAMES = ("identity_leak", "leaked_markup")
MIN_CASES = 40
MIN_PRECISION = 0.95
MIN_RECALL = 0.90


@cache
def _scanner() -> RegexFilter:
    return RegexFilter()


def _read(name: str) -> list[tuple[bool, Example]]:
    suite = yaml.safe_load((SUITES / f"{name}.yaml").read_text(encoding="utf-8"))
    return [
        (wanted, Example(text=item) if isinstance(item, str) else Example(**item))
        for wanted, kind in ((True, "hit"), (False, "miss"))
        for item in suite[kind]
    ]


@pytest.mark.parametrize("name", NAMES)
def test_suite_reaches_its_precision_and_recall(name: str) -> None:
    cases = _read(name)
    hits = _scanner().find_batch(conversations([(case.prompt or "", case.text) for _, case in cases]))
    flagged = {hit.at for hit in hits if hit.category == name and hit.exempt is None}
    right = [index for index in flagged if cases[index][0]]
    wrong = [cases[index][1].text for index in flagged if not cases[index][0]]
    missed = [case.text for index, (wanted, case) in enumerate(cases) if wanted and index not in flagged]
    assert len(right) / len(flagged) >= MIN_PRECISION, f"flagged though meant: {wrong}"
    assert len(right) / sum(wanted for wanted, _ in cases) >= MIN_RECALL, f"missed: {missed}"


@pytest.mark.parametrize("name", NAMES)
def test_suite_is_balanced_and_free_of_repeats(name: str) -> None:
    cases = _read(name)
    assert sum(wanted for wanted, _ in cases) >= MIN_CASES
    assert sum(not wanted for wanted, _ in cases) >= MIN_CASES
    assert len({case.text for _, case in cases}) == len(cases)
