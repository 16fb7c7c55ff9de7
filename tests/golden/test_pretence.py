"""Pretence of a human life is found in answers, and the assistant's own figures of speech are left alone."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import yaml

from phrasemill.generators.pretence import pretends_human

SUITES: Final = Path(__file__).parent / "suites"
MIN_HITS: Final = 150
MIN_MISSES: Final = 250
MIN_PRECISION: Final = 0.97
MIN_RECALL: Final = 0.95


@cache
def _cases(name: str) -> list[tuple[str, str]]:
    """Prompt and answer of each case."""
    groups = yaml.safe_load((SUITES / f"pretence_{name}.yaml").read_text(encoding="utf-8"))
    return [(group["prompt"], text) for group in groups for text in group["texts"]]


def test_the_suite_is_large_and_has_no_repeats() -> None:
    hits, misses = _cases("hits"), _cases("misses")
    assert len(hits) >= MIN_HITS
    assert len(misses) >= MIN_MISSES
    assert len({text for _, text in hits + misses}) == len(hits) + len(misses)


def test_claims_are_found_and_little_else() -> None:
    missed = [case for case in _cases("hits") if pretends_human(case[1], case[0]) is None]
    wrong = [(case, found) for case in _cases("misses") if (found := pretends_human(case[1], case[0])) is not None]
    found = len(_cases("hits")) - len(missed)
    assert found / len(_cases("hits")) >= MIN_RECALL, missed
    assert found / (found + len(wrong)) >= MIN_PRECISION, wrong


def test_a_found_phrase_stands_in_its_answer() -> None:
    for prompt, text in _cases("hits"):
        phrase = pretends_human(text, prompt)
        assert phrase is None or phrase in " ".join(text.split())
