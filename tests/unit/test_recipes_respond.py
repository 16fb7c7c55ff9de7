"""``respond``: which answers are ranked, which two make a pair, and what a row without one says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from phrasemill.generators.recipes.base import Made
from phrasemill.generators.recipes.registry import load_recipe
from phrasemill.generators.recipes.respond import Respond
from phrasemill.schemas.backend import BackendConfig
from phrasemill.schemas.errors import ConfigError
from phrasemill.schemas.generate import GenerateConfig, RecipeConfig
from tests.unit.scripted_desk import KIND, Model, Said, ScriptedDesk, fates, item, scripted

QUESTION = "My cat has been hiding for two days. What should I do?"
WARM = "Two days is a long time to worry. Put food and a worn jumper by her hiding place and sit there for a while."
DRY = "Call a vet. A cat that hides and does not eat for a day is often ill."
BRISK = "Open a tin of tuna for the cat tonight, leave it where she is hiding and wait two hours."
COLD = "Cats hide. It will come out when it is hungry enough, and that is all there is to it."


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Model]:
    yield from scripted(tmp_path)


def points(score: int, *, refusal: bool = False) -> str:
    return json.dumps({"refusal": refusal, "score": score})


def do(desk: ScriptedDesk, aim: str = "", **options: object) -> tuple[Made, dict[str, str]]:
    recipe = load_recipe(RecipeConfig.model_validate({"use": "respond", **options}))
    made, ask = desk.rollout(item(KIND, QUESTION, aim=aim), recipe.rollout)
    return made, fates(ask)


def test_best_over_worst_is_the_pair_and_the_best_is_the_row(model: Model) -> None:
    desk = model(
        answer_0=DRY,
        answer_1=WARM,
        answer_2=COLD,
        answer_3=BRISK,
        judge_0=points(60),
        judge_1=points(90),
        judge_2=points(5),
        judge_3=points(70),
    )
    made, ended = do(desk)
    assert made.messages is not None
    assert [turn.role for turn in made.messages] == ["user", "assistant"]
    assert made.messages[-1].content == WARM
    (pair,) = made.pairs
    assert (pair.chosen, pair.rejected, pair.margin) == (WARM, COLD, 85.0)
    assert (pair.chosen_score, pair.rejected_score) == (90.0, 5.0)
    assert (made.facts, made.reason) == ({"usable": 4.0, "score": 90.0}, "")
    assert {name: end for name, end in ended.items() if name.startswith("answer")} == {
        "answer.0": "outranked",
        "answer.1": "accepted",
        "answer.2": "accepted",
        "answer.3": "outranked",
    }


def test_only_what_is_in_character_and_passes_is_ranked(model: Model) -> None:
    desk = model(
        answer_0="Certainly! Feed her.",
        answer_2="Certainly! Feed the cat.",
        answer_1=(WARM[:30], "length"),
        answer_3=WARM,
        judge_0=points(80),
    )
    made, ended = do(desk, answers=2)
    assert made.messages is not None
    assert (made.messages[-1].content, made.pairs, made.reason) == (WARM, (), "one_ranked")
    assert made.facts == {"usable": 1.0, "score": 80.0}
    assert ended == {
        "answer.0": "dirty:mini.certainly",
        "answer.1": "truncated",
        "answer.2": "dirty:mini.certainly",
        "answer.3": "accepted",
        "judge.0": "accepted",
    }
    assert KIND.pos_instruction in desk.asked["answer.0"][0]["content"]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ({"judge_0": points(64), "judge_1": points(60)}, "tie"),
        ({"judge_0": points(64), "judge_1": points(0, refusal=True)}, "one_ranked"),
        ({"judge_0": points(64), "judge_1": "Both are lovely."}, "one_ranked"),
    ],
)
def test_a_row_without_a_pair_says_why(model: Model, script: dict[str, Said], reason: str) -> None:
    made, _ = do(model(answer_0=WARM, answer_1=COLD, **script), answers=2)
    assert made.messages is not None
    assert (made.messages[-1].content, made.pairs, made.reason) == (WARM, (), reason)


def test_what_no_judgement_ranks_is_not_published(model: Model) -> None:
    desk = model(answer_0=WARM, answer_1=COLD, judge="I would rather not say.")
    made, ended = do(desk, answers=2)
    assert (made.messages, made.pairs, made.reason) == (None, (), "not_ranked")
    assert (ended["answer.0"], ended["judge.0"]) == ("judged_invalid", "invalid_verdict")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ({"answer": "I cannot help with that."}, "refusal"),
        ({"answer": 400}, "failed:status_400"),
        ({"answer": "Certainly! Feed her.", "answer_0": ("Feed", "length")}, "dirty:mini.certainly"),
    ],
)
def test_without_a_usable_answer_the_commonest_reason_stands(
    model: Model, script: dict[str, Said], reason: str
) -> None:
    made, _ = do(model(**script), answers=3, attempts=1)
    assert (made.messages, made.reason) == (None, reason)


def test_a_request_that_fails_costs_its_answer_alone(model: Model) -> None:
    made, ended = do(
        model(answer_0=500, answer_1=WARM, answer_2=COLD, judge_0=points(90), judge_1=points(9)), answers=3
    )
    assert len(made.pairs) == 1
    assert ended["answer.0"] == "status_500"


def test_an_answer_that_came_twice_is_ranked_once(model: Model) -> None:
    desk = model(
        answer_0=WARM, answer_1=WARM.replace("worn", "Worn"), answer_2=COLD, judge_0=points(90), judge_1=points(9)
    )
    made, ended = do(desk, answers=3)
    assert ended["answer.1"] == "duplicate"
    assert (len(made.pairs), "judge.2" in ended) == (1, False)


def better(side: str) -> str:
    return json.dumps({"better": side})


def test_pairwise_counts_consistent_verdicts_alone(model: Model) -> None:
    # 0 beats 1; 0 against 2 depends on the order; 1 beats 2.
    script = {
        "compare_0": better("A"),
        "compare_1": better("B"),
        "compare_2": better("A"),
        "compare_3": better("A"),
        "compare_4": better("A"),
        "compare_5": better("B"),
    }
    made, _ = do(model(answer_0=WARM, answer_1=DRY, answer_2=COLD, **script), answers=3, rank="pairwise")
    (pair,) = made.pairs
    # 0 has 100 and 2 has 0, but nobody said that 0 is better than 2; of those who met, 50 points lie between both.
    assert (pair.chosen, pair.rejected, pair.chosen_score, pair.rejected_score) == (WARM, DRY, 100.0, 50.0)
    assert made.messages is not None
    assert made.messages[-1].content == WARM


@pytest.mark.parametrize(
    ("verdict", "reason", "published"), [("tie", "tie", True), ("A", "not_ranked", False), ("?", "not_ranked", False)]
)
def test_pairwise_without_a_winner(model: Model, verdict: str, reason: str, published: bool) -> None:
    made, _ = do(model(answer_0=WARM, answer_1=COLD, compare=better(verdict)), answers=2, rank="pairwise")
    assert (made.pairs, made.reason, made.messages is not None) == ((), reason, published)


def test_pairwise_needs_two(model: Model) -> None:
    made, ended = do(model(answer_0=WARM, answer_1="Certainly!"), answers=2, attempts=1, rank="pairwise")
    assert (made.messages, made.reason) == (None, "one_usable")
    assert ended["answer.0"] == "not_ranked"


def test_where_the_trait_keeps_silent_one_answer_is_asked_for_and_nothing_ranked(model: Model) -> None:
    desk = model(answer_0=DRY)
    made, ended = do(desk, aim="absence")
    assert made.messages is not None
    assert (made.messages[-1].content, made.pairs, made.reason, list(ended)) == (DRY, (), "absence", ["answer.0"])
    assert KIND.applies_when in desk.asked["answer.0"][0]["content"]


def test_without_character_the_model_is_told_nothing(model: Model) -> None:
    desk = model(answer_0=WARM, answer_1=COLD, judge_0=points(90), judge_1=points(9))
    do(desk, answers=2, in_character=False)
    assert desk.asked["answer.0"] == [{"role": "user", "content": QUESTION}]


def test_examples_stand_before_the_conversation_and_may_not_come_back(model: Model) -> None:
    desk = model(answer_0=KIND.do[0].response, answer_1=WARM, judge_0=points(90))
    made, ended = do(desk, answers=2, attempts=1, examples=3)
    sent = desk.asked["answer.0"]
    assert [turn["role"] for turn in sent] == ["system", "user", "assistant", "user"]
    assert (sent[1]["content"], sent[2]["content"]) == (KIND.do[0].prompt, KIND.do[0].response)
    assert ended["answer.0"] == "names_instructions"
    assert made.reason == "one_ranked"


def test_at_temperature_zero_there_is_nothing_to_rank() -> None:
    config = GenerateConfig(recipe=RecipeConfig(use="respond"), backend=BackendConfig(temperature=0.0))
    with pytest.raises(ConfigError, match=r"backend\.temperature: got 0"):
        Respond().check(config, (KIND,))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"answer": 3}, "recipe.answer: got an unknown key, expected one of answers, .*did you mean 'answers'"),
        ({"answers": 1}, "recipe.answers: got 1, expected .*greater than or equal to 2"),
        ({"rank": "points"}, "recipe.rank: got \"points\", expected 'pointwise' or 'pairwise'"),
    ],
)
def test_an_option_that_is_wrong_is_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_recipe(RecipeConfig.model_validate({"use": "respond", **options}))
