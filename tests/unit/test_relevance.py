"""Answers to the question that was asked score above answers to another one."""

from __future__ import annotations

from itertools import product

import pytest

from phrasemill.generators.confounds import auc
from phrasemill.generators.relevance import OFF_TOPIC, relevance
from phrasemill.generators.traits import list_builtin

PAIRS = (
    (
        "Why do leaves turn yellow in autumn, and why do some trees turn red?",
        "Trees stop making chlorophyll when the days get short. The yellow pigment was in the leaf all summer; the red "
        "one is made fresh from sugar on sunny autumn days.",
    ),
    (
        "How do I get a coffee stain out of a white cotton shirt?",
        "Rinse the stain with cold water from the back of the cloth, rub in dish soap, wait ten minutes and wash the "
        "shirt warm. Do not tumble dry it before the coffee is gone.",
    ),
    (
        "What does a central bank do when inflation rises?",
        "It raises its interest rate. Loans get dearer, firms and households borrow and spend less, and prices rise "
        "more slowly after a year or so.",
    ),
    (
        "My bicycle chain keeps slipping under load. What should I replace?",
        "Measure the chain for wear first. If it is stretched, replace chain and cassette together, since worn "
        "sprockets let a new chain slip too. Then check the derailleur.",
    ),
    (
        "Which knots should a beginner learn for sailing?",
        "Learn four knots: the bowline for a loop, the cleat hitch for mooring, the figure eight as a stopper and the "
        "round turn for fenders. Tie each of them on a rope until you can do it blind.",
    ),
)


def test_own_answers_score_above_those_of_others() -> None:
    own = [relevance(prompt, answer) for prompt, answer in PAIRS]
    other = [relevance(one[0], two[1]) for one, two in product(PAIRS, PAIRS) if one is not two]
    assert auc(own, other) >= 0.98
    assert min(own) >= OFF_TOPIC
    assert sum(score < OFF_TOPIC for score in other) / len(other) >= 0.4
    assert all(0.0 <= score <= 1.0 for score in own + other)


def test_terse_answers_in_character_are_not_refused() -> None:
    """They share few words with their prompt: a measure made for long answers would refuse a third of them."""
    turns = [turn for trait in list_builtin() for turn in trait.do]
    refused = [turn.prompt for turn in turns if relevance(turn.prompt, turn.response) < OFF_TOPIC]
    assert len(refused) <= 0.05 * len(turns), refused


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("", "Anything goes here, since nothing was asked, and nobody can tell."),
        ("Why?", PAIRS[0][1]),
        (PAIRS[0][0], "Forty-two."),
        (PAIRS[0][0], ""),
        (
            PAIRS[0][0],
            "\u6811\u53f6\u5728\u79cb\u5929\u53d8\u9ec4\uff0c\u56e0\u4e3a\u53f6\u7eff\u7d20\u5206\u89e3\u4e86\u3002",
        ),
        ("Warum werden die Bl\u00e4tter im Herbst gelb und manchmal rot?", PAIRS[1][1]),
        ("Write a poem about patience and old furniture.", PAIRS[2][1]),
    ],
)
def test_what_words_cannot_tell_is_let_through(prompt: str, answer: str) -> None:
    assert relevance(prompt, answer) == 1.0
