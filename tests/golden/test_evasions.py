"""Tics in disguise are found: at least twenty kinds of disguise, on tics of every category."""

from __future__ import annotations

from collections import Counter

from tests.golden.evasions import HAND_WRITTEN, MECHANICAL, evasions
from tests.golden.suite_scores import EVASION_RECALL, FILTERS, MIN_EVASIONS, score

CATEGORIES = {
    "opener",
    "ai_self_reference",
    "identity_leak",
    "refusal",
    "closer",
    "hedge",
    "leaked_markup",
    "sycophancy",
    "moralising",
    "contrast",
    "slop",
}
LEAST_KINDS = 20
LEAST_BASES = 20


def test_disguised_tics_are_found() -> None:
    cases = evasions()
    result = score([each.case for each in cases])
    missed = [each for each in cases if each.case in result.missed]
    lines = [
        f"evasions with {'+'.join(FILTERS)}: {result.right} of {len(cases)} found, recall {result.recall:.3f}",
        *_rates("kind", Counter(each.kind for each in missed), Counter(each.kind for each in cases)),
        *_rates("base", Counter(each.base for each in missed), Counter(each.base for each in cases)),
        *(f"  missed: {each.base} {each.kind}: {each.case.tic!r}" for each in missed),
    ]
    print("\n".join(lines))
    assert result.recall >= EVASION_RECALL, "\n".join([f"expected recall {EVASION_RECALL}", *lines])


def _rates(what: str, missed: Counter[str], all_of_them: Counter[str]) -> list[str]:
    return [f"  {what} {name}: {count} of {all_of_them[name]} missed" for name, count in missed.most_common()]


def test_disguises_are_many_and_no_two_cases_alike() -> None:
    cases = evasions()
    texts = [each.case.text for each in cases]
    per_kind = Counter(each.kind for each in cases)
    assert len(cases) >= MIN_EVASIONS
    assert len(set(texts)) == len(texts)
    assert {each.case.category for each in cases} == CATEGORIES
    assert set(per_kind) == {*MECHANICAL, *HAND_WRITTEN}
    assert sum(count >= LEAST_BASES for count in per_kind.values()) >= LEAST_KINDS, per_kind
    assert all(each.case.tic and each.case.text.count(each.case.tic) == 1 for each in cases)
