"""Packs of other languages than English: each reaches its suite's precision and recall, alone and beside the others.

A pack is every folder ``filters/packs/core-*`` but the English one; its suite is ``suites/language_CODE.yaml``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final, NamedTuple

import pyarrow as pa
import pytest
import yaml

from phrasemill.engine.rule_cuts import wrong_cuts
from phrasemill.filters.detect import detect
from phrasemill.filters.examples import conversations, run_examples
from phrasemill.filters.hits import Hit
from phrasemill.filters.lint import lint_packs
from phrasemill.filters.packs import pack_files, read_pack_file, shipped_packs
from phrasemill.filters.regex import RegexFilter
from tests.golden.suite_scores import SUITES

ENGLISH: Final = "core-en"
PACKS: Final = [name for name in shipped_packs() if name.startswith("core-") and name != ENGLISH]
CATEGORIES: Final = {"opener", "ai_self_reference", "refusal", "closer"}

MIN_PRECISION: Final = 0.95
MIN_RECALL: Final = 0.90
MIN_CASES: Final = 15
MIN_EXAMPLES: Final = 4
MAX_IN_ENGLISH: Final = 3
"""A sign-off such as "Bon appétit!" is at home in English answers too."""


class Case(NamedTuple):
    """An answer behind a prompt, and the categories that must be found in it."""

    prompt: str
    text: str
    finds: frozenset[str]


@cache
def _suite(pack: str) -> list[Case]:
    suite = yaml.safe_load((SUITES / f"language_{pack.removeprefix('core-')}.yaml").read_text(encoding="utf-8"))
    assert suite["language"] == pack.removeprefix("core-")
    hit = [Case(each["prompt"], each["text"], frozenset(each["finds"])) for each in suite["hit"]]
    return [*hit, *(Case(each["prompt"], each["text"], frozenset()) for each in suite["miss"])]


@cache
def _english() -> list[tuple[str, str]]:
    """The examples of the English pack: prompts and answers."""
    rules = [rule for path in pack_files(ENGLISH) for rule in read_pack_file(path).rules]
    examples = [example for rule in rules for example in (*rule.examples.hit, *rule.examples.miss)]
    return [("", each) if isinstance(each, str) else (each.prompt or "", each.text) for each in examples]


@cache
def _filter(*packs: str) -> RegexFilter:
    return RegexFilter(packs=packs)


def _counting(regex: RegexFilter, pairs: Sequence[tuple[str, str]]) -> list[list[Hit]]:
    """The hits of each (prompt, answer) that count."""
    found: list[list[Hit]] = [[] for _ in pairs]
    for hit in regex.find_batch(conversations(pairs)):
        if hit.exempt is None:
            found[hit.at].append(hit)
    return found


def _check(pack: str, regex: RegexFilter) -> None:
    suite = _suite(pack)
    found = [{hit.category for hit in hits} for hits in _counting(regex, [(case.prompt, case.text) for case in suite])]
    right = sum(len(case.finds & got) for case, got in zip(suite, found, strict=True))
    flagged, wanted = sum(map(len, found)), sum(len(case.finds) for case in suite)
    precision, recall = right / flagged, right / wanted
    print(f"{pack}: precision {precision:.3f}, recall {recall:.3f}")
    wrong = [f"{case.text!r}: {sorted(got)}" for case, got in zip(suite, found, strict=True) if case.finds != got]
    assert precision >= MIN_PRECISION, "\n".join(wrong)
    assert recall >= MIN_RECALL, "\n".join(wrong)


@pytest.mark.parametrize("pack", PACKS)
def test_pack_reaches_precision_and_recall_alone(pack: str) -> None:
    _check(pack, _filter(pack))


@pytest.mark.parametrize("pack", PACKS)
def test_pack_reaches_them_beside_all_the_others(pack: str) -> None:
    _check(pack, _filter(ENGLISH, *PACKS))


@pytest.mark.parametrize("pack", PACKS)
def test_suite_is_large_enough_and_free_of_repeats(pack: str) -> None:
    suite = _suite(pack)
    hits = [case for case in suite if case.finds]
    assert len(hits) >= MIN_CASES
    assert len(suite) - len(hits) >= MIN_CASES
    assert {category for case in hits for category in case.finds} == CATEGORIES
    assert len({case.text for case in suite}) == len(suite)


@pytest.mark.parametrize("pack", PACKS)
def test_pack_is_of_its_language_and_its_examples_hold(pack: str) -> None:
    assert {read_pack_file(path).language for path in pack_files(pack)} == {pack.removeprefix("core-")}
    for rule in (rule for path in pack_files(pack) for rule in read_pack_file(path).rules):
        assert len(rule.examples.hit) >= MIN_EXAMPLES, rule.id
        assert len(rule.examples.miss) >= MIN_EXAMPLES, rule.id
    outcomes = run_examples([pack])
    assert not [(each.case.rule.rule.id, each.case.example.text) for each in outcomes if not each.passed]
    assert not wrong_cuts(outcomes, [pack])
    assert not lint_packs([pack])


@pytest.mark.parametrize("pack", PACKS)
def test_pack_alone_leaves_english_answers(pack: str) -> None:
    english = _english()
    found = [hit for hits in _counting(_filter(pack), english) for hit in hits]
    assert len(found) <= MAX_IN_ENGLISH, [(hit.rule_id, english[hit.at][1]) for hit in found]
    assert {hit.category for hit in found} <= {"closer"}


def test_language_of_the_suites_is_told() -> None:
    texts = [(case.text, pack.removeprefix("core-")) for pack in PACKS for case in _suite(pack)]
    codes, _ = detect(pa.array([text for text, _ in texts], pa.large_string()))
    right = sum(code == wanted for code, (_, wanted) in zip(codes.to_pylist(), texts, strict=True))
    assert right >= 0.95 * len(texts)
