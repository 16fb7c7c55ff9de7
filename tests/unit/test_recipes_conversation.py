"""Longer conversations: the answers in between, and what passes for the next message of a user."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from phrasemill.generators.ask import Ask, NoAnswer
from phrasemill.generators.recipes.conversation import as_message, lengthen
from phrasemill.generators.tasks import Message
from tests.unit.scripted_desk import KIND, Model, Said, ScriptedDesk, fates, item, scripted

QUESTION = "My tomato plants have yellow leaves. Why?"
ANSWER = "Lower leaves that go yellow first mean too little nitrogen, or roots that stand in water."
NEXT = "They do stand in water after rain, should I repot them?"
LAST = "Then it is the water. Repot them into a mix with a third of sand."
THEN = "and how often do I water after that"


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Model]:
    yield from scripted(tmp_path)


def do(desk: ScriptedDesk, turns: int, *said: str) -> tuple[tuple[Message, ...], dict[str, str], Ask]:
    async def work(ask: Ask) -> tuple[Message, ...]:
        return await lengthen(ask, turns)

    messages, ask = desk.rollout(item(KIND, *(said or (QUESTION,))), work)
    return messages, fates(ask), ask


def test_the_conversation_grows_to_its_turns(model: Model) -> None:
    desk = model(history_3=ANSWER, follow_up_6=f"Person: {NEXT}", history_9=LAST, follow_up_12=THEN)
    messages, ended, ask = do(desk, 3)
    assert [turn.content for turn in messages] == [QUESTION, ANSWER, NEXT, LAST, THEN]
    assert [turn.role for turn in messages] == ["user", "assistant"] * 2 + ["user"]
    assert set(ended.values()) == {"accepted"}
    assert [attempt.turn for attempt in ask.attempts] == [1, 2, 3, 4]
    assert KIND.pos_instruction in desk.asked["history.9"][0]["content"]
    assert [turn["content"] for turn in desk.asked["history.9"][1:]] == [QUESTION, ANSWER, NEXT]
    shown = desk.asked["follow_up.6"][-1]["content"]
    assert shown.startswith(f"Person: {QUESTION}\n\nAssistant: {ANSWER}\n\n")


def test_one_that_is_long_enough_is_left_alone(model: Model) -> None:
    messages, ended, _ = do(model(), 2, QUESTION, ANSWER, NEXT)
    assert ([turn.content for turn in messages], ended) == ([QUESTION, ANSWER, NEXT], {})


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (" ", "empty"),
        ("Person:", "empty"),
        (("They do stand in", "length"), "truncated"),
        ("They do stand in water, because", "unfinished"),
        ("So you water them with the", "unfinished"),
        (QUESTION.upper(), "copy"),
        (ANSWER, "prompt_copy"),
        ("roots that stand in water.", "copy"),
        ("They stand in [Your soil], is that bad?", "leaked_template"),
        ("Certainly! Which soil do they stand in?", "assistant_voice"),
        ("I cannot help with that.", "assistant_voice"),
        ("The leaves are yellow and they fall. " * 4, "repetition"),
    ],
)
def test_what_no_user_would_write_next_is_asked_for_again(model: Model, said: Said, reason: str) -> None:
    desk = model(history=ANSWER, follow_up_6=said, follow_up=NEXT)
    messages, ended, _ = do(desk, 2)
    assert messages[-1] == ("user", NEXT)
    assert (ended["follow_up.6"], ended["follow_up.7"]) == (reason, "accepted")


def test_answers_in_between_are_checked_like_any_other(model: Model) -> None:
    messages, ended, _ = do(model(history_3="Certainly! Water less.", history=ANSWER, follow_up=NEXT), 2)
    assert messages[1].content == ANSWER
    assert ended["history.3"] == "dirty:mini.certainly"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ({"history": "I cannot help with that."}, "refusal:history"),
        ({"history": ("Lower", "length")}, "truncated:history"),
        ({"history": ANSWER, "follow_up": QUESTION}, "copy:follow_up"),
        ({"history": ANSWER, "follow_up": 400}, "status_400"),
    ],
)
def test_what_never_passes_ends_the_item(model: Model, script: dict[str, Said], reason: str) -> None:
    with pytest.raises(NoAnswer) as failed:
        do(model(**script), 2)
    assert failed.value.reason == reason


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("User: Do they need sun?", "Do they need sun?"),
        ("**The person writes:** Do they need sun?", "Do they need sun?"),
        ('"Do they need sun?"', "Do they need sun?"),
        ("\u201cDo they need sun?\u201d", "Do they need sun?"),
        ("Do they need sun?\n\nAssistant: They do.", "Do they need sun?"),
        ("Do they need sun?\n**Human:** And rain?", "Do they need sun?"),
        ('She said "wait" and then "go".', 'She said "wait" and then "go".'),
        ("One person: me. Do I need two?", "One person: me. Do I need two?"),
        ("The ratio is 3:1, right?", "The ratio is 3:1, right?"),
    ],
)
def test_roles_and_quotes_are_taken_off(text: str, message: str) -> None:
    assert as_message(text) == message
