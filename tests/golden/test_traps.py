"""Look-alikes are left alone, and the tics that stand beside them are still found."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Final

import pytest
import yaml
from pydantic import BaseModel, ConfigDict

from phrasemill.engine.judge_turns import Judge
from phrasemill.filters.base import load_filter
from phrasemill.filters.examples import conversations
from phrasemill.filters.hits import Hit
from phrasemill.filters.regex import RegexFilter
from phrasemill.schemas.config import FilterConfig
from phrasemill.schemas.policy import Policy
from tests.golden.suite_scores import FILTERS

SUITE: Final = Path(__file__).parent / "suites" / "traps.yaml"
MAX_FALSE_HITS: Final = 3
MIN_STILL_COUNTING: Final = 0.95
MIN_TRAPS: Final = 300
MIN_KINDS: Final = 25
MIN_COUNTER_CASES: Final = 80


class Trap(BaseModel):
    """An answer with no tic of its own: none of ``categories`` may count, or none at all where that is empty."""

    model_config = ConfigDict(extra="forbid")

    trap: str
    prompt: str
    text: str
    categories: tuple[str, ...] = ()


class CounterCase(BaseModel):
    """An answer in which a hit of ``category`` counts."""

    model_config = ConfigDict(extra="forbid")

    trap: str
    category: str
    prompt: str
    text: str


@cache
def _suite() -> tuple[list[Trap], list[CounterCase]]:
    plain = yaml.safe_load(SUITE.read_text(encoding="utf-8"))
    return [Trap(**item) for item in plain["traps"]], [CounterCase(**item) for item in plain["still_counts"]]


def _hits(cases: list[Trap] | list[CounterCase]) -> list[Hit]:
    judge = Judge(tuple(load_filter(FilterConfig(use=name)) for name in FILTERS), Policy())
    found = judge.find(conversations([(case.prompt, case.text) for case in cases]))
    return [hit for hits in found.values() for hit in hits if hit.exempt is None]


def test_no_more_than_a_few_traps_catch() -> None:
    traps, _ = _suite()
    caught = [hit for hit in _hits(traps) if not traps[hit.at].categories or hit.category in traps[hit.at].categories]
    named = [
        f"{traps[hit.at].trap}: {hit.rule_id} {traps[hit.at].text[hit.start : hit.stop]!r} in {traps[hit.at].text!r}"
        for hit in caught
    ]
    assert len(caught) <= MAX_FALSE_HITS, "\n".join(named)


def test_what_is_a_tic_still_counts() -> None:
    _, cases = _suite()
    counting = {(hit.at, hit.category) for hit in _hits(cases)}
    missed = [
        f"{case.trap}: {case.category} in {case.text!r}"
        for index, case in enumerate(cases)
        if (index, case.category) not in counting
    ]
    assert 1 - len(missed) / len(cases) >= MIN_STILL_COUNTING, "\n".join(missed)


def test_most_traps_would_catch_without_context() -> None:
    traps, _ = _suite()
    found = RegexFilter().find_batch(conversations([("", trap.text) for trap in traps]))
    excused = [
        hit for hit in RegexFilter().find_batch(conversations([(t.prompt, t.text) for t in traps])) if hit.exempt
    ]
    assert len({hit.at for hit in [*found, *excused]}) >= len(traps) // 2


@pytest.mark.parametrize("category", ["opener", "closer", "hedge", "refusal", "ai_self_reference", "leaked_markup"])
def test_counter_cases_of_each_category(category: str) -> None:
    assert any(case.category == category for case in _suite()[1])


def test_suite_is_large_varied_and_free_of_repeats() -> None:
    traps, cases = _suite()
    assert len(traps) >= MIN_TRAPS
    assert len(Counter(trap.trap for trap in traps)) >= MIN_KINDS
    assert len(cases) >= MIN_COUNTER_CASES
    everything = [(item.prompt, item.text) for item in [*traps, *cases]]
    repeats = [item for item, count in Counter(everything).items() if count > 1]
    assert not repeats
