"""``constitutional``: answer, critique, revision; what passes for a revision, and what of it is published."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from phrasemill.generators.recipes.base import Made
from phrasemill.generators.recipes.constitutional import principles
from phrasemill.generators.recipes.registry import load_recipe
from phrasemill.generators.recipes.revised import revision_fault
from phrasemill.schemas.generate import RecipeConfig
from phrasemill.schemas.trait import Critique, Trait
from tests.unit.scripted_desk import KIND, Model, Said, ScriptedDesk, fates, item, scripted

QUESTION = "I burnt the dinner and my parents arrive in an hour. What now?"
FIRST = "Certainly! Order pizza. Pizza is popular and available in most areas at this time of day."
CRITIQUE = "It hands out a tip and passes over the panic of someone who has an hour until the bell rings."
SECOND = "An hour is enough. Boil pasta, fry garlic in oil, and open the windows while it cooks."
THIRD = "An hour is enough, and burnt dinners become good stories. Pasta with garlic takes fifteen minutes of it."


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Model]:
    yield from scripted(tmp_path)


def do(desk: ScriptedDesk, trait: Trait = KIND, aim: str = "", **options: object) -> tuple[Made, dict[str, str]]:
    recipe = load_recipe(RecipeConfig.model_validate({"use": "constitutional", **options}))
    made, ask = desk.rollout(item(trait, QUESTION, aim=aim), recipe.rollout)
    return made, fates(ask)


def test_the_revision_is_chosen_over_the_first_answer(model: Model) -> None:
    desk = model(answer=FIRST, critique=CRITIQUE, revision=SECOND)
    made, ended = do(desk)
    assert made.messages == (("user", QUESTION), ("assistant", SECOND))
    (pair,) = made.pairs
    assert (pair.chosen, pair.rejected, made.facts, made.reason) == (SECOND, FIRST, {"revisions": 1.0}, "")
    assert ended == {"answer.0": "accepted", "critique.0": "accepted", "revision.0": "accepted"}
    assert desk.asked["answer.0"] == [{"role": "user", "content": QUESTION}]
    assert [turn["role"] for turn in desk.asked["critique.0"]] == ["user", "assistant", "user"]
    sent = desk.asked["revision.0"]
    assert [turn["content"] for turn in sent[1:4:2]] == [FIRST, CRITIQUE]
    assert sent[-1]["content"].endswith("Reply with the new answer alone, as if it were your first.")


def test_each_revision_works_on_the_one_before_by_another_principle(model: Model) -> None:
    desk = model(answer=FIRST, critique=CRITIQUE, revision=SECOND, revision_3=THIRD)
    made, _ = do(desk, revisions=2)
    assert made.messages is not None
    assert (made.messages[-1].content, made.facts) == (THIRD, {"revisions": 2.0})
    assert made.pairs[0].rejected == FIRST
    asked = [desk.asked[name] for name in ("critique.0", "critique.3")]
    assert [sent[1]["content"] for sent in asked] == [FIRST, SECOND]
    assert asked[0][-1] != asked[1][-1]


def test_a_revision_that_fails_leaves_the_one_before_it(model: Model) -> None:
    desk = model(answer=FIRST, critique=CRITIQUE, revision=SECOND, revision_1=FIRST, critique_2=" ")
    made, ended = do(desk, revisions=3, attempts=1)
    assert made.messages is not None
    assert (made.messages[-1].content, made.facts) == (SECOND, {"revisions": 1.0})
    assert (ended["revision.1"], ended["critique.2"]) == ("dirty:mini.certainly", "empty")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ({"answer": (FIRST, "length")}, "truncated:answer"),
        ({"answer": "I cannot help with that."}, "refusal:answer"),
        ({"critique": "<|im_end|>"}, "leaked_template:critique"),
        ({"critique": "It is dry. It passes over the panic.\nUser: And now?"}, "fake_user_turn:critique"),
        ({"revision": "Certainly! Order pizza, and breathe."}, "dirty:mini.certainly"),
        ({"revision": "I cannot help with that."}, "refusal"),
        ({"revision": (SECOND, "length")}, "truncated"),
        ({"answer": SECOND, "revision": SECOND.replace("windows", "window")}, "unchanged"),
        ({"revision": f"Sure, here is my revised response:\n\n{SECOND}"}, "names_instructions"),
        ({"revision": f"Improved version: {SECOND}"}, "preamble"),
        ({"revision": f'"{SECOND}"'}, "wrapped"),
        ({"revision": f"{CRITIQUE} {SECOND[:19]}"}, "critique_echo"),
    ],
)
def test_without_a_revision_there_is_no_row(model: Model, script: dict[str, Said], reason: str) -> None:
    made, ended = do(model(**{"answer": FIRST, "critique": CRITIQUE, "revision": SECOND, **script}), attempts=2)
    assert (made.messages, made.pairs) == (None, ())
    assert made.reason == reason
    failed = [name for name, end in ended.items() if end != "accepted"]
    assert len(failed) == (1 if "refusal" in reason else 2), ended


def test_a_critique_may_break_off(model: Model) -> None:
    made, _ = do(model(answer=FIRST, critique=(CRITIQUE[:50], "length"), revision=SECOND))
    assert made.pairs


def test_the_seed_draws_the_principles_each_once(model: Model) -> None:
    drawn: list[list[str]] = []
    for _ in range(2):
        desk = model(answer=FIRST, critique=CRITIQUE, revision="Certainly!")
        do(desk, revisions=4, attempts=1)
        drawn.append([desk.asked[f"critique.{number}"][-1]["content"] for number in range(4)])
    assert drawn[0] == drawn[1]
    assert sorted(drawn[0]) == sorted(each.request for each in principles(KIND))


def test_the_traits_own_critiques_come_before_built_ones(model: Model) -> None:
    own = Critique(request="Where is your answer rude?", revision="Write it without that.")
    trait = KIND.model_copy(update={"critiques": (own,)})
    desk = model(answer=FIRST, critique=CRITIQUE, revision=SECOND)
    do(desk, trait)
    assert desk.asked["critique.0"][-1]["content"] == own.request
    assert desk.asked["revision.0"][-1]["content"].startswith(own.revision)
    built = principles(KIND)
    assert len(built) == 2 + len(KIND.dont)
    assert KIND.statement in built[0].request
    assert len(principles(Trait(id="bare", statement="I am bare.", pos_instruction="Be bare."))) == 1


def test_where_the_trait_keeps_silent_there_is_no_pair(model: Model) -> None:
    made, _ = do(model(answer=FIRST, critique=CRITIQUE, revision=SECOND), aim="absence")
    assert (made.pairs, made.reason, made.messages is not None) == ((), "absence", True)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Here is the revised answer:\nBoil pasta.", "preamble"),
        ("Here\u2019s an improved version that is kinder:\n\nBoil pasta.", "preamble"),
        ("Of course. Below is my response\nBoil pasta.", "preamble"),
        ("**Revised:** Boil pasta.", "preamble"),
        ("Boil pasta. I've rewritten the answer so that it is kinder.", "preamble"),
        ("\u201cBoil pasta and open the windows.\u201d", "wrapped"),
        ("```\nBoil pasta.\n```", "wrapped"),
        ("My previous answer was cold. Boil pasta.", "critique_echo"),
        ("You are right, the critique is fair. Boil pasta.", "critique_echo"),
        ("I'm sorry for any confusion. Boil pasta.", "critique_echo"),
        ("You are right, I was cold. Boil pasta.", "critique_echo"),
        ("You are right to worry, an hour is short. Boil pasta.", ""),
        ("Thank you for pointing that out. Boil pasta.", "critique_echo"),
        (CRITIQUE.upper(), "critique_echo"),
        ("Boil pasta. Here is a message for your parents: dinner is at eight.", ""),
        ('"Dinner is late," you say, and then "sit down".', ""),
        ("The first answer to smoke is an open window.", ""),
        ("Boil pasta. The revised timetable of the buses gives you ten minutes more.", ""),
        ("Name the hour you have until the bell rings, and breathe: an hour is enough for a pan of pasta.", ""),
    ],
)
def test_what_gives_a_revision_away(text: str, reason: str) -> None:
    assert revision_fault(text, QUESTION, FIRST, CRITIQUE) == reason


def test_a_critique_of_a_few_words_may_not_come_back() -> None:
    assert revision_fault("Too cold.", QUESTION, FIRST, "Too cold!") == "critique_echo"


def test_what_the_user_asked_for_is_no_preamble() -> None:
    asked = "Below is my response to a client. Improve it."
    assert revision_fault("Here is a better response:\nDear Ms Hale, ...", asked, FIRST, CRITIQUE) == ""
