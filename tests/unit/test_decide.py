"""What a policy makes of the hits of one turn."""

from __future__ import annotations

import pytest

from phrasemill.engine.decide import plan_turn
from phrasemill.filters.hits import Hit
from phrasemill.schemas.policy import Action, Policy

TEXT = "Certainly! Bread is flour, water and salt, baked in a hot oven."


def hit(category: str, start: int, stop: int, *, cut: bool = True, exempt: str | None = None, rule: str = "r") -> Hit:
    return Hit(0, start, stop, f"{category}.{rule}", category, "regex", 1.0, (start, stop) if cut else None, exempt)


OPENER = hit("opener", 0, 10)


def policy(actions: dict[str, object]) -> Policy:
    return Policy.model_validate({"actions": actions})


def test_nothing_found_nothing_done() -> None:
    assert plan_turn(TEXT, [], Policy()).action is None


def test_a_strip_comes_with_its_text() -> None:
    plan = plan_turn(TEXT, [OPENER], Policy())
    assert (plan.actions, plan.action, plan.text) == (("strip",), "strip", TEXT[11:])


@pytest.mark.parametrize("kind", ["code", "quote", "asked", "answer"])
def test_an_exempt_hit_is_left_alone(kind: str) -> None:
    plan = plan_turn(TEXT, [OPENER._replace(exempt=kind)], policy({"opener": "drop"}))
    assert (plan.actions, plan.action) == ((None,), None)


@pytest.mark.parametrize("allowed", ["opener", "opener.r"])
def test_a_trait_may_break_a_category_or_a_rule(allowed: str) -> None:
    assert plan_turn(TEXT, [OPENER], Policy(), frozenset({allowed})).actions == (None,)


def test_a_rule_wins_over_its_category() -> None:
    chosen = policy({"opener": "drop", "opener.r": "tag"})
    assert plan_turn(TEXT, [OPENER], chosen).actions == ("tag",)
    assert plan_turn(TEXT, [OPENER._replace(rule_id="opener.s")], chosen).action == "drop"


def test_a_category_that_nobody_names_is_tagged() -> None:
    assert plan_turn(TEXT, [hit("novel", 0, 10)], Policy()).actions == ("tag",)


@pytest.mark.parametrize(
    ("first", "second", "action"),
    [
        pytest.param("tag", "strip", "strip", id="strip"),
        pytest.param("strip", "regenerate", "regenerate", id="regenerate"),
        pytest.param("regenerate", "drop", "drop", id="drop"),
        pytest.param("tag", "tag", None, id="tags"),
    ],
)
def test_the_hardest_action_is_the_turns_own(first: str, second: str, action: str | None) -> None:
    chosen = policy({"a": first, "b": second})
    for pair in ([hit("a", 0, 10), hit("b", 11, 16)], [hit("b", 0, 10), hit("a", 11, 16)]):
        plan = plan_turn(TEXT, pair, chosen)
        assert plan.action == action
        assert set(plan.actions) == {first, second}


def test_a_hit_that_cannot_be_cut_does_what_the_policy_says_otherwise() -> None:
    uncut = hit("opener", 0, 10, cut=False)
    assert plan_turn(TEXT, [uncut], Policy()).action == "regenerate"
    tagged = policy({"opener": Action(do="strip", otherwise="tag")})
    assert plan_turn(TEXT, [uncut], tagged).actions == ("tag",)


def test_a_strip_that_would_gut_the_turn_becomes_something_harder() -> None:
    plan = plan_turn("Certainly! Yes.", [OPENER], Policy())
    assert (plan.action, plan.text) == ("regenerate", None)
    assert plan.reason in ("gutted", "too_thin")
    soft = policy({"opener": Action(do="strip", otherwise="tag")})
    plan = plan_turn("Certainly! Yes.", [OPENER], soft)
    assert (plan.actions, plan.action, plan.text) == (("tag",), None, None)


def test_the_softer_strip_stays_where_only_it_is_too_much() -> None:
    text = "Certainly! Rain is water that falls. Good on you for that."
    chosen = policy({"sycophancy": Action(do="strip", otherwise="tag")})
    plan = plan_turn(text, [OPENER, hit("sycophancy", 11, len(text))], chosen)
    assert (plan.actions, plan.action) == (("strip", "tag"), "strip")
    assert plan.text == text[11:]


def slop(count: int, **more: str) -> list[Hit]:
    return [hit("slop", at * 5, at * 5 + 4, cut=False, **more) for at in range(count)]


@pytest.mark.parametrize(
    ("hits", "words", "action"),
    [
        pytest.param(2, 10, None, id="too few hits to judge by"),
        pytest.param(3, 400, None, id="thin in a long turn"),
        pytest.param(3, 300, "regenerate", id="past 8 per 1,000"),
        pytest.param(3, 375, None, id="exactly the limit"),
    ],
)
def test_density_turns_a_tag_into_a_regeneration(hits: int, words: int, action: str | None) -> None:
    plan = plan_turn("word " * words, slop(hits), Policy())
    assert plan.action == action
    assert set(plan.actions) == {action or "tag"}


def test_a_rule_may_have_a_limit_of_its_own() -> None:
    policy = Policy(density={"slop.r": 2000.0})
    assert plan_turn("word " * 10, slop(5), policy).action is None
    mixed = [*slop(3), *slop(3, rule="other")]
    assert plan_turn("word " * 10, mixed, policy).actions == ("tag",) * 3 + ("regenerate",) * 3
    assert plan_turn("word " * 10, slop(4, exempt="quote"), Policy()).action is None


def test_code_inside_a_cut_goes_but_is_never_torn() -> None:
    text = "Certainly! Use `tar`. It packs files into one archive."
    whole = plan_turn(text, [hit("opener", 0, 21)], Policy())
    assert whole.text == "It packs files into one archive."
    torn = plan_turn(text, [hit("opener", 0, 17)], Policy())
    assert (torn.action, torn.reason) == ("regenerate", "masked")
