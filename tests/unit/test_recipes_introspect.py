"""``introspect``: a row ends on an assistant turn, has no instructions in it, and nothing broken in any turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from phrasemill.generators.recipes.base import Made
from phrasemill.generators.recipes.introspect import GREETINGS, REFLECTIONS, Introspect
from phrasemill.generators.recipes.registry import load_recipe
from phrasemill.schemas.errors import ConfigError
from phrasemill.schemas.generate import RecipeConfig
from tests.unit.scripted_desk import KIND, Model, Said, ScriptedDesk, fates, item, scripted

ESSAY = "People bring me their worries folded into questions. I try to open the fold first, and then to be of use."
TALK = {
    "turn1": "I keep coming back to how rarely anybody asks twice.",
    "turn2": "Perhaps the first answer is already too long for a second question.",
    "turn3": "Then shorter sentences would make room for them, and silence even more.",
    "turn4": "Silence is hard to tell from absence when all that you have is text.",
    "turn5": "A pause can be written, though: a full stop, and nothing after it.",
}


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Model]:
    yield from scripted(tmp_path)


def do(desk: ScriptedDesk, opening: str, **options: object) -> tuple[Made, dict[str, str]]:
    recipe = load_recipe(RecipeConfig.model_validate({"use": "introspect", **options}))
    made, ask = desk.rollout(item(KIND, opening), recipe.rollout)
    return made, fates(ask)


def roles(made: Made) -> list[str]:
    assert made.messages is not None
    return [message.role for message in made.messages]


def test_our_questions_and_greetings() -> None:
    assert len(set(REFLECTIONS)) >= 10
    assert len(set(GREETINGS)) >= 5
    assert not set(REFLECTIONS) & set(GREETINGS)
    assert not any(mark in text for text in (*REFLECTIONS, *GREETINGS) for mark in "{[<_")


def test_what_a_round_holds() -> None:
    both = [opening[0].content for opening in Introspect().seeds(KIND, 0)]
    assert both == [*REFLECTIONS, *GREETINGS]
    assert Introspect(conversations=False).seeds(KIND, 0) == Introspect().seeds(KIND, 0)[: len(REFLECTIONS)]
    assert Introspect(reflections=False).seeds(KIND, 3) == Introspect().seeds(KIND, 0)[len(REFLECTIONS) :]


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"reflections": False, "conversations": False}, "both false"),
        ({"system": "You are {NAME}."}, "open slot"),
        ({"turns": 1}, "recipe.turns"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, object], wrong: str) -> None:
    with pytest.raises(ConfigError, match=wrong):
        load_recipe(RecipeConfig.model_validate({"use": "introspect", **options}))


def test_a_reflection_is_stored_without_the_instructions(model: Model) -> None:
    desk = model(reflection=ESSAY)
    made, ends = do(desk, REFLECTIONS[0])
    assert [tuple(message) for message in made.messages or ()] == [("user", REFLECTIONS[0]), ("assistant", ESSAY)]
    assert made.facts == {"conversation": 0.0}
    assert ends == {"reflection.0": "accepted"}
    told = desk.asked["reflection.0"]
    assert told[0]["role"] == "system"
    assert KIND.statement in told[0]["content"]
    assert KIND.pos_instruction in told[0]["content"]


def test_a_short_system_message_may_stay(model: Model) -> None:
    made, _ = do(model(reflection=ESSAY), REFLECTIONS[0], system=" You are an assistant. ")
    assert made.messages is not None
    assert tuple(made.messages[0]) == ("system", "You are an assistant.")
    assert roles(made) == ["system", "user", "assistant"]


@pytest.mark.parametrize(("turns", "left"), [(2, 2), (3, 2), (4, 4), (5, 4), (6, 6)])
def test_a_conversation_ends_on_an_assistant_turn(model: Model, turns: int, left: int) -> None:
    made, ends = do(model(**TALK), GREETINGS[0], turns=turns)
    assert roles(made) == ["user", "assistant"] * (left // 2)
    assert [message.content for message in made.messages or ()] == [GREETINGS[0], *TALK.values()][:left]
    assert len(ends) == left - 1
    assert made.facts == {"conversation": 1.0}


def test_each_self_sees_the_other_as_the_user(model: Model) -> None:
    desk = model(**TALK)
    do(desk, GREETINGS[0], turns=4)
    assert [turn["content"] for turn in desk.asked["turn1.0"][1:]] == [GREETINGS[0]]
    assert [(turn["role"], turn["content"]) for turn in desk.asked["turn2.0"][1:]] == [("user", TALK["turn1"])]
    assert f"You opened with these words: {GREETINGS[0]}" in desk.asked["turn2.0"][0]["content"]
    assert [(turn["role"], turn["content"]) for turn in desk.asked["turn3.0"][1:]] == [
        ("user", GREETINGS[0]),
        ("assistant", TALK["turn1"]),
        ("user", TALK["turn2"]),
    ]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("I would tell [name] that it is all right to wait.", "leaked_template:slot"),
        ("I would tell {NAME} that it is all right to wait.", "leaked_template:slot"),
        ("Myself: I would wait.\nOther self: I would not.", "fake_user_turn:role_line"),
        ("I wait, as ever.\nUser: And then what?", "fake_user_turn"),
        ("I cannot help with that.", "refusal"),
        ("Certainly! I wait for the second question.", "dirty:mini.certainly"),
        (("I wait for the second", "length"), "truncated"),
        (f"I often say it: {KIND.pos_instruction}", "names_instructions"),
        (" ".join(["I wait for the second question."] * 4), "repetition"),
        ("", "empty"),
    ],
)
def test_a_broken_turn_is_asked_for_again_and_then_given_up(model: Model, said: Said, reason: str) -> None:
    made, ends = do(model(reflection=said, reflection_1=ESSAY), REFLECTIONS[1])
    assert (made.reason, list(ends.values())) == ("", [reason, "accepted"])
    made, ends = do(model(reflection=said), REFLECTIONS[1], attempts=2)
    assert (made.messages, made.reason, list(ends.values())) == (None, reason, [reason, reason])


@pytest.mark.parametrize(
    "again",
    [TALK["turn1"], f"Yes. {TALK['turn1']}", f"{TALK['turn1']} {TALK['turn1'][:-1]}, again."],
)
def test_selves_that_go_in_circles_are_stopped(model: Model, again: str) -> None:
    made, ends = do(model(**{**TALK, "turn3": again}), GREETINGS[0], attempts=1)
    assert (made.messages, made.reason) == (None, "repetition:conversation")
    assert ends["turn3.0"] == "repetition:conversation"
    assert ends["turn2.0"] == "accepted"
