"""Predicates on generated rows."""

from __future__ import annotations

import math

import pytest

from phrasemill.engine.generate_where import FACTS, facts_of, failing, read_predicates
from phrasemill.generators.recipes.base import Made, Pair
from phrasemill.generators.tasks import Message
from phrasemill.schemas.errors import ConfigError

PROMPT = (Message("user", "Where should the bread stand so that it stays fresh?"),)
ANSWER = "The bread stands in a paper bag, and stays fresh for two days."


def made(**more: float) -> Made:
    pair = Pair(PROMPT, ANSWER, "In a bag.", "dry over default", chosen_score=80, rejected_score=35)
    return Made((*PROMPT, Message("assistant", ANSWER)), (pair,), more)


def test_every_fact_is_measured() -> None:
    facts = facts_of(made(own=3.0))
    assert set(facts) == {*FACTS, "own"}
    assert (facts["words"], facts["characters"], facts["turns"], facts["pairs"]) == (13, len(ANSWER), 1, 1)
    assert (facts["score"], facts["margin"]) == (80, 45)
    assert facts["length_ratio"] == len(ANSWER) / len("In a bag.")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("words >= 13", ""),
        ("words>13", "where:words>13"),
        ("margin < 45.5", ""),
        ("margin != 45", "where:margin != 45"),
        ("score == 80", ""),
        ("revisions >= 0", "where:revisions >= 0"),
        ("relevance >= -1", ""),
    ],
)
def test_a_predicate_holds_or_is_named(text: str, reason: str) -> None:
    facts = facts_of(made())
    assert failing(read_predicates([text]), facts) == reason


@pytest.mark.parametrize("operator", ["<", "<=", ">", ">=", "==", "!="])
def test_no_number_fails_every_predicate(operator: str) -> None:
    predicates = read_predicates([f"own {operator} 3"])
    assert failing(predicates, {"own": math.nan}) == failing(predicates, {}) == f"where:own {operator} 3"


@pytest.mark.parametrize(
    "text", ["words", "words => 3", "words >= three", "words >= 3; drop", "__import__('os') > 1", ""]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"accept\.where\.1: got .*, expected NAME OP NUMBER"):
        read_predicates(["words > 1", text])
