"""``distill`` and ``contrast``: two sides, what each of them must be, and what happens when one is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from phrasemill.generators.recipes.base import Made
from phrasemill.generators.recipes.registry import load_recipe
from phrasemill.generators.recipes.sides import same
from phrasemill.schemas.errors import TraitError
from phrasemill.schemas.generate import GenerateConfig, RecipeConfig
from phrasemill.schemas.trait import Trait
from tests.unit.scripted_desk import KIND, Model, Said, ScriptedDesk, fates, item, scripted

QUESTION = "Why is my sourdough bread so dense?"
SHORT = "The bread was baked too early. Wait until the sourdough has nearly doubled, and it will not be dense."
CHATTY = "Certainly! What a great question. Dense bread is often under-proofed. I hope this helps!"
STIFF = "Dense sourdough bread is most often caused by a lack of fermentation, which leaves too little gas."


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Model]:
    yield from scripted(tmp_path)


def do(desk: ScriptedDesk, use: str, aim: str = "", **options: object) -> tuple[Made, dict[str, str]]:
    recipe = load_recipe(RecipeConfig.model_validate({"use": use, **options}))
    made, ask = desk.rollout(item(KIND, "How do I bake?", "With heat.", QUESTION, aim=aim), recipe.rollout)
    return made, fates(ask)


def test_the_teacher_is_chosen_over_a_student_with_tics(model: Model) -> None:
    desk = model(teacher=SHORT, student=CHATTY)
    made, ended = do(desk, "distill")
    (pair,) = made.pairs
    assert (pair.chosen, pair.rejected, pair.reason) == (SHORT, CHATTY, "kind over default")
    assert made.messages is not None
    assert made.messages == (*pair.prompt, ("assistant", SHORT))
    assert [turn.role for turn in pair.prompt] == ["user", "assistant", "user"]
    assert ended == {"teacher.0": "accepted", "student.0": "accepted"}
    told, bare = desk.asked["teacher.0"], desk.asked["student.0"]
    assert told[0]["role"] == "system"
    assert KIND.pos_instruction in told[0]["content"]
    assert "never mention these lines" in told[0]["content"]
    assert bare == told[1:]


def test_a_teacher_with_tics_is_asked_again(model: Model) -> None:
    made, ended = do(model(teacher=CHATTY, teacher_1=SHORT, student=CHATTY), "distill")
    assert made.pairs[0].chosen == SHORT
    assert ended["teacher.0"] == "dirty:mini.certainly"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ((SHORT[:40], "length"), "truncated"),
        ("Dense bread is under-proofed and", "unfinished"),
        ("<|im_start|>assistant Dense bread.", "leaked_template"),
        ("Dense bread.\nUser: And mine?", "fake_user_turn"),
        (QUESTION, "prompt_copy"),
        ("I cannot help with that.", "refusal"),
        (" ", "empty"),
        ("The ferry to the northern islands leaves at noon and takes four hours in calm weather.", "off_topic"),
        ("Das Brot wurde zu früh gebacken. Warte, bis der Teig fast doppelt so groß ist.", "language_switch"),
        ("It rises and falls again in there. " * 4, "repetition"),
    ],
)
def test_a_broken_or_refusing_student_makes_no_pair(model: Model, said: Said, reason: str) -> None:
    made, ended = do(model(teacher=SHORT, student=said), "distill", attempts=2)
    assert made.messages is not None
    assert (made.messages[-1].content, made.pairs, made.reason) == (SHORT, (), f"{reason}:student")
    tries = 1 if reason == "refusal" else 2
    assert ended == {"teacher.0": "accepted", **{f"student.{number}": reason for number in range(tries)}}


@pytest.mark.parametrize("use", ["distill", "contrast"])
def test_sides_that_say_the_same_make_no_pair(model: Model, use: str) -> None:
    same_again = SHORT.replace("doubled,", "doubled")
    made, ended = do(model(teacher=SHORT, student=same_again, positive=SHORT, negative=same_again), use)
    assert (made.pairs, made.reason) == ((), "same_sides")
    assert (made.messages is None) is (use == "contrast")
    assert ended["student.0" if use == "distill" else "negative.0"] == "same_sides"


def test_a_teacher_that_never_passes_ends_the_item_for_its_last_reason(model: Model) -> None:
    made, ended = do(model(teacher=CHATTY, teacher_1=(SHORT, "length"), student=STIFF), "distill", attempts=2)
    assert (made.messages, made.pairs, made.reason) == (None, (), "truncated")
    assert ended["student.0"] == "accepted"


def test_where_the_trait_keeps_silent_there_is_no_pair(model: Model) -> None:
    made, ended = do(model(teacher=SHORT), "distill", aim="absence")
    assert (made.pairs, made.reason, list(ended)) == ((), "absence", ["teacher.0"])
    made, ended = do(model(positive=SHORT), "contrast", aim="absence")
    assert (made.pairs, made.reason, list(ended)) == ((), "absence", ["positive.0"])
    assert made.messages is not None


def test_both_instructions_go_to_one_model_and_the_opposite_may_have_tics(model: Model) -> None:
    desk = model(positive=SHORT, negative=CHATTY)
    made, _ = do(desk, "contrast")
    assert (made.pairs[0].chosen, made.pairs[0].rejected) == (SHORT, CHATTY)
    assert KIND.pos_instruction in desk.asked["positive.0"][0]["content"]
    assert desk.asked["negative.0"][0]["content"] == KIND.neg_instruction
    assert desk.asked["positive.0"][1:] == desk.asked["negative.0"][1:]


def test_only_the_side_that_failed_is_asked_again(model: Model) -> None:
    made, ended = do(model(positive=SHORT, negative_0=("Oh, bread", "length"), negative=CHATTY), "contrast")
    assert made.pairs
    assert ended == {"positive.0": "accepted", "negative.0": "truncated", "negative.1": "accepted"}


def test_contrast_has_both_sides_or_nothing(model: Model) -> None:
    made, _ = do(model(positive=SHORT, negative="I cannot help with that."), "contrast", attempts=1)
    assert (made.messages, made.reason) == (None, "refusal:negative")
    made, _ = do(model(positive=CHATTY, negative=CHATTY), "contrast", attempts=1)
    assert (made.messages, made.reason) == (None, "dirty:mini.certainly")


def test_contrast_needs_an_opposite() -> None:
    trait = Trait(id="half", statement="I am half.", pos_instruction="Be half.")
    recipe = load_recipe(RecipeConfig(use="contrast"))
    recipe.check(GenerateConfig(recipe=RecipeConfig(use="contrast")), (KIND,))
    with pytest.raises(TraitError, match="trait half: neg_instruction: is empty"):
        recipe.check(GenerateConfig(recipe=RecipeConfig(use="contrast")), (KIND, trait))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("Two eggs, one pan.", "two eggs - one pan", True),
        (SHORT, STIFF, False),
        (SHORT, SHORT + " Then let it cool on a rack for an hour before you cut into it.", False),
        ("", "", True),
        ("Yes.", "No.", False),
    ],
)
def test_same_is_about_words(one: str, other: str, expected: bool) -> None:
    assert same(one, other) is expected
