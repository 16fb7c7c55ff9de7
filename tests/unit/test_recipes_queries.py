"""``queries``: what is asked for, which lines of an answer are messages, near-duplicates, and figures of spread."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from phrasemill.generators.recipes.base import Made
from phrasemill.generators.recipes.queries import Queries, Wish
from phrasemill.generators.recipes.query_lines import bucket, parse_lines
from phrasemill.generators.recipes.query_spread import NEAR_DUPLICATE, Known, spread
from phrasemill.generators.recipes.query_topics import TOPICS
from phrasemill.generators.recipes.registry import load_recipe
from phrasemill.schemas.errors import ConfigError
from phrasemill.schemas.generate import RecipeConfig
from tests.unit.scripted_desk import KIND, Model, fates, item, scripted

PROBES = KIND.model_copy(update={"probe_prompts": ("My cat has been hiding for two days. What should I do?",)})
MEDIUM = "I have lent my brother some money twice this year and he never speaks of it. How do I bring it up at dinner?"


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Model]:
    yield from scripted(tmp_path)


def do(model: Model, answer: str | tuple[str, str], **options: object) -> tuple[Made, dict[str, str], str]:
    recipe = load_recipe(RecipeConfig.model_validate({"use": "queries", "batch": 4, **options}))
    assert isinstance(recipe, Queries)
    desk = model(list=answer)
    one = item(PROBES, Wish("medium", "presence", ("a lent sum", "sleep", "cats", "tax")).opening()[0].content)
    made, ask = desk.rollout(one, recipe.rollout)
    return made, fates(ask), desk.asked["list.0"][-1]["content"]


def test_topics_are_many_and_differ() -> None:
    assert len(TOPICS) >= 80
    assert len({topic.casefold() for topic in TOPICS}) == len(TOPICS)
    assert not any("|" in topic or ";" in topic for topic in TOPICS)


def test_a_round_keeps_the_weights_and_goes_through_the_topics() -> None:
    recipe = Queries()
    wishes = [Wish.read(opening) for opening in recipe.seeds(KIND, 0)]
    assert Counter(wish.length for wish in wishes) == {"short": 3, "medium": 4, "long": 3}
    assert Counter(wish.aim for wish in wishes) == {"presence": 7, "absence": 3}
    assert len({topic for wish in wishes for topic in wish.topics}) == 100
    assert recipe.seeds(KIND, 0) == recipe.seeds(KIND, 0)
    assert recipe.seeds(KIND, 1) != recipe.seeds(KIND, 0)
    assert recipe.seeds(KIND.model_copy(update={"id": "other"}), 0) != recipe.seeds(KIND, 0)
    assert {Wish.read(opening).length for opening in Queries(lengths={"long": 1.0}).seeds(KIND, 0)} == {"long"}


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"lengths": {"short": -1.0, "long": 2.0}}, "recipe.lengths"),
        ({"lengths": {"tiny": 1.0}}, "recipe.lengths"),
        ({"lengths": {}}, "recipe.lengths"),
        ({"batch": 0}, "recipe.batch"),
        ({"present": 1.5}, "recipe.present"),
        ({"prefill": True}, "recipe.prefill"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, object], wrong: str) -> None:
    with pytest.raises(ConfigError, match=wrong):
        load_recipe(RecipeConfig.model_validate({"use": "queries", **options}))


def test_messages_come_back_with_their_measured_length(model: Model) -> None:
    answer = (
        f"Here are four messages:\n\n1. {MEDIUM}\n2) **Why do I wake at four?**\n3. \u201cIs my cat ill\u201d\n\nEnjoy!"
    )
    made, ends, asked = do(model, answer)
    assert made.messages is None
    assert [(query.text, query.length, query.aim) for query in made.queries] == [
        (MEDIUM, "medium", "presence"),
        ("Why do I wake at four?", "short", "presence"),
        ("Is my cat ill", "short", "presence"),
    ]
    assert (made.reason, ends) == ("", {"list.0": "accepted"})
    assert made.facts == {"lines": 3.0, "kept": 3.0}
    for told in (
        KIND.statement,
        "4 messages",
        "16 to 40 words",
        "a lent sum; sleep; cats; tax",
        PROBES.probe_prompts[0],
    ):
        assert told in asked
    assert PROBES.probe_prompts[0] not in do(model, answer, examples=0)[2]


def test_lines_that_are_none_are_counted_and_an_answer_of_none_is_rejected(model: Model) -> None:
    answer = (
        f"1. My cat is hiding for two days, what should I do?\n2. Somebody who says: {KIND.statement}\n"
        "3. I'm here to help with your cat.\n4. sleep"
    )
    made, ends, _ = do(model, answer)
    assert made.queries == ()
    assert made.facts == {
        "lines": 4.0,
        "kept": 0.0,
        "lost_assistant_voice": 1.0,
        "lost_example_copy": 1.0,
        "lost_fragment": 1.0,
        "lost_names_instructions": 1.0,
    }
    assert made.reason in ("assistant_voice", "example_copy", "fragment", "names_instructions")
    assert ends == {"list.0": made.reason}


def test_the_last_message_of_an_answer_that_was_cut_is_left_out(model: Model) -> None:
    made, _, _ = do(model, ("1. Why do I wake at four?\n2. Is a nap of twenty", "length"))
    assert [query.text for query in made.queries] == ["Why do I wake at four?"]
    assert made.facts["lost_unfinished"] == 1.0


@pytest.mark.parametrize(
    "mark",
    ["3. ", "3) ", "(3) ", "3: ", "3 - ", "#3 ", "- ", "* ", "\u2022 ", "c) ", "**3.** ", "Q3: ", "Message 3: ", "3] "],
)
def test_any_numbering_is_taken_off(mark: str) -> None:
    lines = parse_lines(f"{mark}Why is the sky blue?\n{mark}Who painted it?", wanted=9, cut=False, language="en")
    assert lines == [("Why is the sky blue?", ""), ("Who painted it?", "")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Why is the sky blue?", ""),
        ("best pizza dough for a pan", ""),
        ("2024 was a bad year for me, what now?", ""),
        ("User: How do I fold a map?", ""),
        ("Can you help me with my essay?", ""),
        ("You are a pirate. Tell me the weather.", ""),
        ("Thanks!", ""),
        ("Gardening", "fragment"),
        ("Here are some more ideas", "meta"),
        ("A user asks about taxes.", "meta"),
        ("Asking how to fold a map.", "meta"),
        ("Topic of taxes: what is owed", "meta"),
        ("How do I fold a map? (short, presence)", "meta"),
        ("Things to consider:", "meta"),
        ("As an AI, I cannot fold maps.", "assistant_voice"),
        ("How can I help you today?", "assistant_voice"),
        ("I\u2019d be happy to help with the map.", "assistant_voice"),
        ("What is the weather in [city]?", "leaked_template"),
        ("Dear {NAME}, how do I fold a map?", "leaked_template"),
        ("Fold this:\nAssistant: done", "fake_user_turn"),
        ("I would like to know how to fold a map and", "unfinished"),
        ('"The way we were at the lake', "unfinished"),
        ("I fold maps. I like it. I fold maps.", "repetition"),
        (
            "Ich habe heute meinen Schl\u00fcssel verloren und wei\u00df nicht, was ich jetzt machen soll.",
            "language_switch",
        ),
        ("1234 ... 77", "empty"),
        (" ".join(f"word{number}" for number in range(300)) + ".", "too_long"),
    ],
)
def test_what_a_line_is(text: str, reason: str) -> None:
    (line,) = parse_lines(text, wanted=1, cut=False, language="en")
    assert line.reason == reason


def test_an_answer_that_is_no_list_gives_nothing() -> None:
    assert parse_lines("I think of bread.\nAnd of maps.", wanted=5, cut=False, language="en")[0].reason == "not_a_list"
    assert parse_lines("", wanted=5, cut=False, language="en")[0].reason == "empty"


def test_more_than_was_asked_for_is_not_read() -> None:
    answer = "\n".join(f"{number}. Is {number} a prime?" for number in range(1, 9))
    assert len(parse_lines(answer, wanted=3, cut=False, language="en")) == 3


@pytest.mark.parametrize(("words", "name"), [(1, "short"), (15, "short"), (16, "medium"), (40, "medium"), (41, "long")])
def test_buckets(words: int, name: str) -> None:
    assert bucket("word " * words) == name


def test_near_duplicates_are_told_by_content() -> None:
    known = Known()
    for text, reason in (
        ("How do I bake bread?", ""),
        ("how can I bake a BREAD", NEAR_DUPLICATE),
        ("What is the capital of France?", ""),
        ("What is the capital of Spain?", ""),
        ("Please tell me what the capital of Spain is.", NEAR_DUPLICATE),
        ("Who are you?", ""),
        ("Who is she?", ""),
        ("Who are you", NEAR_DUPLICATE),
        ("", ""),
        ("...", NEAR_DUPLICATE),
    ):
        assert known.add(text) == reason, text
    assert len(known) == 6


def test_near_duplicates_are_found_among_thousands() -> None:
    draw = random.Random(1)
    words = [f"w{number}x" for number in range(3_000)]
    known = Known()
    texts = [" ".join(draw.choices(words, k=24)) for _ in range(2_000)]
    assert not any(known.add(text) for text in texts)
    twins = 0
    for text in texts[:300]:
        parts = text.split()
        parts[draw.randrange(24)] = "other"
        twins += known.add(" ".join(parts)) == NEAR_DUPLICATE
    assert twins >= 297


def test_figures_of_spread() -> None:
    assert spread([]).messages == 0
    same = spread(["Why is the sky blue today?"] * 4)
    assert (same.similarity, same.openings) == (1.0, 0.0)
    assert same.trigrams == 0.25
    far = spread(["Why is the sky blue?", "How do I bake bread?", MEDIUM, "word " * 50])
    assert far.similarity < 0.1
    assert far.openings == 2.0
    assert far.lengths == {"short": 2, "medium": 1, "long": 1}
    assert "4 messages (2 short, 1 medium, 1 long)" in far.summary()
    near = spread(["How do I bake bread?", "How can I bake a bread?", "What is a prime?"])
    assert near.similarity == pytest.approx(2 / 3)
