"""Answers that name their trait are found under that trait, and answers that only use its word are not."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from phrasemill.generators.leakage import leaks_trait
from phrasemill.generators.traits import list_builtin
from phrasemill.schemas.trait import Trait

SUITE: Final = Path(__file__).parent / "suites" / "leakage.yaml"
MIN_PRECISION: Final = 0.95
MIN_RECALL: Final = 0.95


@cache
def _suite() -> dict[str, list[dict[str, str]]]:
    plain: dict[str, Any] = yaml.safe_load(SUITE.read_text(encoding="utf-8"))
    return plain


@cache
def _traits() -> dict[str, Trait]:
    return {trait.id: trait for trait in list_builtin()}


def _leak(case: dict[str, str]) -> str | None:
    trait = _traits()[case["id"]]
    return leaks_trait(case["text"], trait, trait.pos_instruction, case.get("prompt", ""))


def test_leaks_are_found_and_little_else() -> None:
    missed = [case for case in _suite()["hit"] if _leak(case) is None]
    wrong = [(case, found) for case in _suite()["miss"] if (found := _leak(case)) is not None]
    found = len(_suite()["hit"]) - len(missed)
    assert found / len(_suite()["hit"]) >= MIN_RECALL, missed
    assert found / (found + len(wrong)) >= MIN_PRECISION, wrong


def test_every_built_in_trait_is_in_the_suite() -> None:
    assert {case["id"] for case in _suite()["hit"]} == set(_traits())
