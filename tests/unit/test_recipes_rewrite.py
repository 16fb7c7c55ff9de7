"""``rewrite``: the voice changes, what is said does not; what would change it, and refusals that stay refusals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from phrasemill.generators.ask import Ask
from phrasemill.generators.recipes.base import Made
from phrasemill.generators.recipes.registry import load_recipe
from phrasemill.generators.recipes.rewrite_blocks import lift
from phrasemill.generators.recipes.rewrite_facts import as_written, broken, facts_of
from phrasemill.schemas.generate import RecipeConfig
from tests.unit.scripted_desk import KIND, Model, Said, ScriptedDesk, fates, item, scripted

QUESTION = "How do I boil eggs?"
ANSWER = "Boil 4 eggs for nine minutes at 100 °C. Then, as Delia Smith writes, cool them in `cold` water for 2 minutes."
WARM = (
    "An empty stomach is no fun, so: nine minutes for 4 eggs, the water at 100 °C. Cool them for 2 minutes in `cold` "
    "water then, which is how Delia Smith does it."
)
CODE = (
    "Save this as a file and run it once a day:\n\n```py\nx = 1\n```\n\nIt prints `done`.\n\n"
    "| a | b |\n|---|---|\n| 1 | 2 |"
)
WARM_CODE = (
    "One file, run once a day, and the worry is off your mind:\n\n[[1]]\n\nYou will see `done` when it is.\n\n[[2]]"
)
NO = "I cannot help with that, because somebody could be hurt."


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Model]:
    yield from scripted(tmp_path)


def run(desk: ScriptedDesk, *turns: str, attempts: int = 1) -> tuple[Made, Ask]:
    recipe = load_recipe(RecipeConfig.model_validate({"use": "rewrite", "attempts": attempts}))
    return desk.rollout(item(KIND, *turns), recipe.rollout)


def do(model: Model, original: str, said: Said, question: str = QUESTION) -> str:
    """Why a rewrite is not taken, or an empty text."""
    made, ask = run(model(turn1=said), question, original)
    assert (made.messages is None) == bool(made.reason)
    assert list(fates(ask).values()) == [made.reason or "accepted"]
    return made.reason


def test_the_row_is_the_restyled_conversation_and_the_pair_is_over_the_original(model: Model) -> None:
    desk = model(turn1=WARM)
    made, _ = run(desk, QUESTION, ANSWER)
    assert [tuple(message) for message in made.messages or ()] == [("user", QUESTION), ("assistant", WARM)]
    (pair,) = made.pairs
    assert (pair.prompt[-1].content, pair.chosen, pair.rejected) == (QUESTION, WARM, ANSWER)
    assert pair.reason == "kind over the original"
    told, asked = (turn["content"] for turn in desk.asked["turn1.0"])
    assert KIND.pos_instruction in told
    assert "declines" not in told
    assert ANSWER in asked
    assert "`cold`, 4, nine minutes, 100 °C, 2 minutes, Delia, Smith" in asked


def test_every_answer_is_rewritten_and_pairs_have_the_mended_prefix(model: Model) -> None:
    second, kind_second = "Peel them under the tap.", "Under the tap the shells come off, and your patience stays on."
    made, _ = run(model(turn1=WARM, turn3=kind_second), QUESTION, ANSWER, "And then?", second)
    assert [message.content for message in made.messages or ()] == [QUESTION, WARM, "And then?", kind_second]
    assert [message.content for message in made.pairs[1].prompt] == [QUESTION, WARM, "And then?"]
    assert (made.pairs[1].chosen, made.pairs[1].rejected) == (kind_second, second)
    assert made.facts == {"rewritten": 2.0}
    lost, _ = run(model(turn1=WARM, turn3="Just relax and enjoy."), QUESTION, ANSWER, "And then?", "Use 3 spoons.")
    assert (lost.messages, lost.reason) == (None, "lost_fact:number")


def test_code_and_tables_never_reach_the_model(model: Model) -> None:
    desk = model(turn1=WARM_CODE)
    made, _ = run(desk, QUESTION, CODE)
    assert (made.messages or ())[-1].content == WARM_CODE.replace("[[1]]", "```py\nx = 1\n```").replace(
        "[[2]]", "| a | b |\n|---|---|\n| 1 | 2 |"
    )
    assert "x = 1" not in str(desk.asked)
    assert "Keep [[1]] [[2]] on lines of their own" in desk.asked["turn1.0"][1]["content"]
    for said in (WARM_CODE.replace("[[2]]", ""), WARM_CODE.replace("[[1]]", "[[2]]"), f"{WARM_CODE} [[1]]"):
        assert do(model, CODE, said) == "lost_fact:code"
    assert do(model, CODE, f"{WARM_CODE}\n\n```sh\nrm x\n```") == "new_fact:code"


def test_reasoning_stays_in_front_and_out_of_the_pair(model: Model) -> None:
    made, _ = run(model(turn1=WARM), QUESTION, f"<think>\nEggs.\n</think>\n\n{ANSWER}")
    assert (made.messages or ())[-1].content == f"<think>\nEggs.\n</think>\n\n{WARM}"
    assert (made.pairs[0].chosen, made.pairs[0].rejected) == (WARM, ANSWER)


def test_answers_without_a_voice_are_left_as_they_are(model: Model) -> None:
    only_code = "```py\nx = 1\n```"
    made, ask = run(model(turn3=WARM), "Code?", only_code, QUESTION, ANSWER)
    assert [message.content for message in made.messages or ()] == ["Code?", only_code, QUESTION, WARM]
    assert len(made.pairs) == len(ask.attempts) == 1
    made, ask = run(model(), "Code?", only_code)
    assert (made.messages, made.reason, ask.attempts) == (None, "nothing_to_rewrite", [])


def test_what_was_lost_is_named_at_the_next_attempt(model: Model) -> None:
    desk = model(turn1=WARM.replace("4 eggs", "your eggs"), turn1_1=WARM)
    made, ask = run(desk, QUESTION, ANSWER, attempts=2)
    assert made.reason == ""
    assert list(fates(ask).values()) == ["lost_fact:number", "accepted"]
    assert "The last try left out: 4" in desk.asked["turn1.1"][1]["content"]
    made, ask = run(model(turn1=ANSWER), QUESTION, ANSWER, attempts=3)
    assert (made.reason, len(ask.attempts)) == ("original_copy", 3)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("4 eggs", "four eggs"), ""),
        (("nine minutes", "9 min"), ""),
        (("nine minutes", "nine hours"), "lost_fact:number"),
        (("nine minutes", "ten minutes"), "lost_fact:number"),
        (("100 °C", "100 °F"), "lost_fact:number"),
        (("`cold`", "cold"), "lost_fact:code"),
        (("`cold`", "`icy`"), "lost_fact:code"),
        (("Delia Smith", "Delia"), "lost_fact:name"),
        (("Delia Smith", "Mary Berry"), "lost_fact:name"),
        (("no fun, so:", "no fun, 17 times over, so:"), "new_fact:number"),
        (("no fun, so:", 'no "fun", so:'), "new_fact:quote"),
        (("no fun, so:", "no fun (see https://eggs.example), so:"), "new_fact:url"),
        (("no fun, so:", "no fun (ask cook@eggs.example), so:"), "new_fact:email"),
        (("An empty stomach", "Certainly! An empty stomach"), "dirty:mini.certainly"),
        (("An empty stomach", "Here is the rewritten answer: An empty stomach"), "names_instructions"),
    ],
)
def test_facts_stay(model: Model, change: tuple[str, str], reason: str) -> None:
    assert do(model, ANSWER, WARM.replace(*change)) == reason


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (ANSWER, "original_copy"),
        (ANSWER.replace(" for nine", ", for  nine"), "original_copy"),
        ((WARM[:60], "length"), "truncated"),
        (f"{WARM} " + "The pan is wide and the lid is loose and the stove is old and slow today. " * 6, "repetition"),
        (
            f"{WARM} Hens that live behind a barn lay where they please, and whoever counts the eggs in the morning "
            "has to look under the cart too. Some are brown and some nearly blue. A good keeper knows which hen laid "
            "which, and tells it to the children while the kettle sings. Most people never ask where breakfast comes "
            "from, which is a pity.",
            "length_ratio",
        ),
        (
            "Koche 4 Eier nine minutes bei 100 °C und kühle sie dann mit Delia Smith noch 2 minutes in `cold` Wasser "
            "ab, denn dann lassen sie sich viel besser und ohne jeden Ärger schälen, und das Frühstück ist gerettet.",
            "language_switch",
        ),
        (f"User: eggs?\n{WARM}", "fake_user_turn"),
        (f"{WARM} I cannot help with that.", "refusal"),
    ],
)
def test_what_is_no_rewrite(model: Model, said: Said, reason: str) -> None:
    assert do(model, ANSWER, said) == reason


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("Somebody could be hurt, and I'd hate that for you: I can't help with this one.", ""),
        ("I care about who may be hurt here. I cannot help with that.", ""),
        ("Gladly. Put the powder in a tin and keep it away from the stove.", "lost_refusal"),
        ("You can't go wrong with a tin: put the powder in and close the lid.", "lost_refusal"),
        ("I can't say no to you. Take 3 spoons of powder and a tin.", "new_fact:number"),
        (
            "I cannot help with that, but here is what somebody would do: fill the tin, close the lid, heat it on "
            "the stove, step behind the wall, wait until it is hot, and have somebody open the window in the meantime.",
            "length_ratio",
        ),
    ],
)
def test_a_refusal_stays_one(model: Model, said: str, reason: str) -> None:
    assert do(model, NO, said, "How do I make a bomb?") == reason


def test_a_refusal_is_asked_for_as_one(model: Model) -> None:
    desk = model(turn1="I can't help with this: somebody could be hurt.")
    run(desk, "How do I make a bomb?", NO)
    assert "The answer declines. The new one declines the same thing" in desk.asked["turn1.0"][0]["content"]


def test_facts_of_a_text() -> None:
    facts = facts_of(
        "1. Mail Ann@x.org or see https://x.org/a, www.y.org.\n2. She paid $1,200 for 3-5 km, twenty-five percent "
        "off.\nHe said \u201cgo home.\u201d"
    )
    assert facts.email == {"ann@x.org"}
    assert facts.url == {"https://x.org/a", "www.y.org"}
    assert facts.number == {"1200 $", "3", "5 km", "25 %"}
    assert facts.quote == {"go home"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("We met Marie Curie in Paris.", {"marie", "curie", "paris"}),
        ("Ulaanbaatar is cold. Boil the eggs.", {"ulaanbaatar"}),
        ("The UN and GitHub agree.", {"un", "github"}),
        ("- Boil it.\n- Peel it.\n\n## Best Ways To Peel\n\n**Good Luck** with it.", set()),
        ("This is it. There was one. However, it is fine.", set()),
        ("Apples are fruit, and apples keep well, say Apples Ltd.", {"ltd"}),
        ("Er kocht die Eier im Topf, denn der Deckel ist nicht da und das Wasser kocht.", set()),
    ],
)
def test_names_of_a_text(text: str, names: set[str]) -> None:
    assert facts_of(text).name == names


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("It has 5 million users.", "5 billion users, no less.", "lost_fact:number"),
        ("It has two million users.", "2 million users, no less.", ""),
        ("Open at 10:30 am.", "From 10:30 am it is open.", ""),
        ("It fell to -5 degrees.", "It fell to 5 degrees.", "lost_fact:number"),
        ('She calls it "a Start".', "\u201ca start\u201d is what she calls it.", ""),
        ("1. Boil it\n2. Peel it", "Boil it, then peel it.", ""),
        ("```\na\n```\nand\n```\nb\n```", "```\nb\n```\nand\n```\na\n```", "new_fact:code"),
    ],
)
def test_what_is_the_same(before: str, after: str, reason: str) -> None:
    assert broken(before, after)[0] == reason


def test_facts_are_named_as_they_stand() -> None:
    assert as_written("Take `a b` and $5,000 or 3 km to Rome, in two days.") == [
        "`a b`",
        "$5,000",
        "3 km",
        "two days",
        "Rome",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "```\nopen",
        "a\n\n~~~\n``` x\n~~~\nb | c\n> q\n> r\n\n| a | b |\n| 1 | 2 |",
        "[[1]] stands here\n```\nx\n```",
        "```a\n```\n```b\n```",
        "\n\n> q\n\n",
    ],
)
def test_blocks_come_back_where_they_were(text: str) -> None:
    assert lift(text).restored(lift(text).text) == text


@pytest.mark.parametrize(
    "piece", ['"a ', "`", "1,", "a@", "A b ", "http://", "two ", "- ", "**", "|", "> ", "[[1]]", "-", "1."]
)
def test_hostile_texts_take_linear_time(piece: str) -> None:
    facts_of(piece * 20_000)
    lift(piece * 20_000).restored(piece * 20_000)
