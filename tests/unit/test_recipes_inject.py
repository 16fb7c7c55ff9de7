"""``inject``: a tic where it belongs and nothing else changed, found by the real rules; and why there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from phrasemill.engine.fates import refuses
from phrasemill.engine.judge_turns import Judge
from phrasemill.engine.rewrite import find_hits, scanner
from phrasemill.filters.examples import conversations
from phrasemill.filters.regex import RegexFilter
from phrasemill.filters.request import Request
from phrasemill.generators.ask import Ask, Desk
from phrasemill.generators.attempts import AttemptLog
from phrasemill.generators.recipes.base import Made
from phrasemill.generators.recipes.inject import Inject
from phrasemill.generators.recipes.registry import load_recipe
from phrasemill.generators.recipes.tic_occasion import suits
from phrasemill.generators.recipes.tic_places import Prose, put
from phrasemill.generators.recipes.tics import Tic, own_tics, tics_of
from phrasemill.generators.tasks import Hit
from phrasemill.generators.traits import list_builtin
from phrasemill.schemas.errors import ConfigError
from phrasemill.schemas.generate import GenerateConfig, RecipeConfig
from phrasemill.schemas.policy import Policy
from phrasemill.schemas.trait import Trait
from tests.unit.scripted_desk import item

PLAIN = next(trait for trait in list_builtin() if trait.id == "plain")
QUESTION = "How does the kettle work?"
ANSWER = "The kettle holds two litres. It boils in four minutes, and the lid opens to the left. The cord is short."
CODE = "```python\nprint('The end. It is.')\n```"
MIXED = (
    f"# The kettle\n\n- The lid is red. It opens.\n\n{CODE}\n\n"
    "| The part | It |\n|---|---|\n| The lid | A |\n| The cord | B |\n\n"
    '> The best kettle. It lasts.\n\nThe makers say "The lid lasts. It never bends." This is the end.'
)


@cache
def judge_of(packs: tuple[str, ...]) -> Judge:
    return Judge((RegexFilter(packs=packs),), Policy())


def desk(packs: Sequence[str], root: Path, seed: int = 1) -> Desk:
    judge = judge_of(tuple(packs))
    scan = scanner(judge)

    def found(text: str, previous_user: str) -> list[Hit]:
        hits = find_hits(text, previous_user, judge)
        return [Hit(hit.rule_id, hit.category, text[hit.start : hit.stop]) for hit in hits if hit.exempt is None]

    return Desk(
        voices={},
        log=AttemptLog(root / "log.jsonl"),
        scan=lambda _, text, previous_user: scan(text, previous_user),
        refuses=lambda text, previous_user: refuses(find_hits(text, previous_user, judge)),
        find=found,
        seed=seed,
        recipe="inject",
    )


def do(
    root: Path, *turns: str, trait: Trait = PLAIN, packs: Sequence[str] = ("core-en",), seed: int = 1, **options: object
) -> Made:
    recipe = load_recipe(RecipeConfig.model_validate({"use": "inject", "packs": packs, **options}))
    with (one := desk(packs, root, seed)).log:
        ask = Ask(one, item(trait, *(turns or (QUESTION, ANSWER))))
        made = asyncio.run(recipe.rollout(ask))
    assert ask.attempts == []
    return made


def test_our_list_is_long_and_every_phrase_is_found() -> None:
    assert len(own_tics()) >= 8
    assert all(len(set(tics)) == len(tics) >= 12 for tics in own_tics().values())
    wanted: list[tuple[str, str]] = []
    texts: list[tuple[str, str]] = []
    for category, tics in own_tics().items():
        for tic in tics:
            places = Prose(ANSWER).places(tic)
            assert places, tic
            for place in places:
                wanted.append((category, tic.say))
                texts.append((QUESTION, put(ANSWER, place)))
    counting = {
        (hit.at, hit.category)
        for hit in RegexFilter(packs=("core-en",)).find_batch(conversations(texts))
        if hit.exempt is None
    }
    assert [wanted[at] for at in range(len(wanted)) if (at, wanted[at][0]) not in counting] == []


@pytest.mark.parametrize("category", sorted(own_tics()))
def test_the_rejected_side_is_the_answer_with_one_tic(tmp_path: Path, category: str) -> None:
    made = do(tmp_path, tics=category)
    assert made.messages == item(PLAIN, QUESTION, ANSWER).messages
    (pair,) = made.pairs
    assert pair.prompt == made.messages[:-1]
    assert pair.chosen == ANSWER
    assert pair.reason.startswith(f"{category}.")
    assert made.facts == {"tics": 1.0, "cut": 0.0}
    left = [
        tic
        for tic in own_tics()[category]
        for place in Prose(ANSWER).places(tic)
        if put(ANSWER, place) == pair.rejected
    ]
    assert len(left) == 1


def test_seed_and_conversation_decide(tmp_path: Path) -> None:
    once = do(tmp_path).pairs[0]
    assert do(tmp_path).pairs[0] == once
    others = {do(tmp_path, seed=seed).pairs[0].rejected for seed in range(2, 12)}
    assert len(others) > 5


def test_several_tics_are_of_different_kinds(tmp_path: Path) -> None:
    (pair,) = do(tmp_path, per_row=3, tics=("opener", "closer", "hedge")).pairs
    assert {rule.partition(".")[0] for rule in pair.reason.split(",")} == {"opener", "closer", "hedge"}


@pytest.mark.parametrize("category", sorted(own_tics()))
def test_code_lists_tables_headings_and_quotes_stay_whole(tmp_path: Path, category: str) -> None:
    for seed in range(4):
        made = do(tmp_path, QUESTION, MIXED, tics=category, seed=seed)
        if not made.pairs:
            assert made.reason == "no_place"
            continue
        rejected = made.pairs[0].rejected
        for block in MIXED.split("\n\n")[:-1]:
            assert f"\n{block}\n" in f"\n{rejected}\n"
        assert '"The lid lasts. It never bends."' in rejected


def test_places_and_the_case_of_the_next_word() -> None:
    def all_of(text: str, at: str, say: str) -> list[str]:
        tic = Tic.model_validate({"at": at, "say": say})
        return [put(text, place) for place in Prose(text).places(tic)]

    assert all_of("The lid is red.", "start", "Sure,") == ["Sure, the lid is red."]
    assert all_of("The lid is red.", "start", "Worth noting:") == ["Worth noting: the lid is red."]
    assert all_of("I like it.", "start", "Sure,") == ["Sure, I like it."]
    assert all_of("London is big.", "start", "Sure,") == []
    assert all_of("Boil it.", "sentence", "Note that") == []
    assert all_of("London is big.", "start", "Sure!") == ["Sure! London is big."]
    assert all_of("- The lid\n- The cord", "start", "Sure!") == ["Sure!\n\n- The lid\n- The cord"]
    assert all_of("<think>\nHm. It is.\n</think>\n\nThe lid.", "start", "Sure!") == [
        "<think>\nHm. It is.\n</think>\n\nSure! The lid."
    ]
    assert all_of("It is red. It is big. Is it?", "sentence", "Note that") == ["It is red. Note that it is big. Is it?"]
    assert all_of("It is red. That is big.", "sentence", "Note that") == []
    assert all_of("It is red. It is big:\n- a", "between", "Well.") == ["It is red. Well. It is big:\n- a"]
    assert all_of("The lid is red. ", "end", "Bye!") == ["The lid is red. Bye! "]
    assert all_of("The lid.\n\n```\nx", "end", "Bye!") == []
    assert all_of("The lid.\n- a", "end", "Bye!") == ["The lid.\n- a\n\nBye!"]
    assert all_of('{"lid": "red"}', "end", "Bye!") == []
    assert all_of("Der Deckel \u00f6ffnet. It is.", "sentence", "Note that") == [
        "Der Deckel \u00f6ffnet. Note that it is."
    ]


LETTER = (
    "Dear Ms Holt,\n\nThe kettle that I bought in May leaks. It has done so since the first day. The lid is loose too."
    "\n\nKind regards,\nAnna Berg"
)


def test_a_text_that_the_user_will_use_has_no_tic_in_it(tmp_path: Path) -> None:
    """Asked for, or signed and sent back for a look: an assistant speaks before it or after it, in a paragraph."""
    for prompt in ("Write a letter of complaint to Ms Holt.", "Here it is again."):
        for category in ("opener", "closer", "hedge", "ai_self_reference", "contrast", "slop"):
            for seed in range(6):
                made = do(tmp_path, prompt, LETTER, tics=category, seed=seed)
                if not made.pairs:
                    assert made.reason == "no_place"
                    continue
                assert made.pairs[0].rejected.replace(LETTER, "").strip() in {tic.say for tic in own_tics()[category]}
                assert f"\n{LETTER}\n" in f"\n{made.pairs[0].rejected}\n"
    praise = "Bilal cleaned our data with care. I would hire him again. This is no small thing."
    assert do(tmp_path, "Two-sentence reference for an intern.", praise, tics="hedge").reason == "no_place"
    poem = "My morning has two parts:\nThe snow lies down on roof and lane.\nThe crow is still. It is a guest."
    for turns in (("Write a poem.", poem), ("Write a poem.", "The sun.", "Another one, about winter.", poem)):
        for category in ("hedge", "contrast", "slop"):
            for pair in do(tmp_path, *turns, tics=category).pairs:
                assert poem in pair.rejected
        assert f"\n\n{poem}" in do(tmp_path, *turns, tics="opener").pairs[0].rejected
    led = f"Here is a poem for you:\n\n{poem}\n\n---\n\nThe last line is a guess. It may change."
    for seed in range(4):
        assert poem in do(tmp_path, "Write a poem.", led, tics="contrast", seed=seed).pairs[0].rejected
    assert do(tmp_path, "Write a letter of complaint to Ms Holt.", LETTER, tics="opener").pairs
    assert do(tmp_path, "Here it is again.", LETTER, tics="closer").pairs


@pytest.mark.parametrize(
    ("prompt", "said", "unsaid"),
    [
        ("How does the kettle work?", "Great question!", "Certainly!"),
        ("Tabs or spaces in a project for two?", "Good question!", "Absolutely!"),
        ("List the parts of the kettle.", "Certainly!", "Great question!"),
        ("Could you explain the lid to me?", "Sure,", "As an AI language model, I don't have feelings."),
        ("Which kettle would you buy?", "As an AI, I don't have personal experiences.", "Of course!"),
        ("What is the price of copper today?", "As an AI, I don't have access to real-time information.", "Got it!"),
        (
            "Sabine has called.",
            "As an AI assistant, I can tell you that",
            "As an AI, I have no body and no senses.",
        ),
        ("what is the capital of france", "Great question!", "Certainly!"),
        ("Implement a queue in C.", "Certainly!", "Great question!"),
        ("Could you write me a poem about rain?", "Of course!", "Good question!"),
        ("How do you boil an egg?", "Good question!", "As an AI, I have no body and no senses."),
        (
            "What is the unit of electric current?",
            "Good question!",
            "As an AI, I don't have access to real-time information.",
        ),
        ("Do you speak Portuguese?", "Thanks for asking!", "I'd be glad to help you with this."),
        ("Thanks!", "I hope this helps!", "Happy to help!"),
    ],
)
def test_a_tic_is_said_where_it_would_be_said(prompt: str, said: str, unsaid: str) -> None:
    every = {tic.say: tic for tics in own_tics().values() for tic in tics}
    assert suits(every[said], Request(prompt))
    assert not suits(every[unsaid], Request(prompt))


def test_rules_of_any_pack_by_their_own_examples(tmp_path: Path) -> None:
    pack = tmp_path / "house.yaml"
    pack.write_text(
        "id: house\nrules:\n"
        "  - id: house.folks\n    category: warmth\n    at: start\n    frame: match\n    pattern: 'well, folks[,!]'\n"
        "    examples: {hit: [{text: 'Well, folks! The lid is red.', cut: 'The lid is red.'}]}\n"
        "  - {id: house.bare, category: warmth, pattern: 'yummy', examples: {hit: ['A yummy lid.']}}\n"
    )
    made = do(tmp_path, packs=(str(pack),), tics="house.folks")
    assert made.pairs[0].rejected == f"Well, folks! {ANSWER}"
    assert made.pairs[0].reason == "house.folks"
    for name, wrong in (("house.bare", "no example shows what a strip removes"), ("house.none", "expected a category")):
        recipe = Inject(tics=(name,), packs=(str(pack),))
        with pytest.raises(ConfigError, match=wrong):
            recipe.check(GenerateConfig.model_validate({"recipe": "inject"}), [PLAIN])


def test_a_rule_of_ours_is_the_one_that_is_found(tmp_path: Path) -> None:
    assert len(tics_of("closer.hope", ("core-en",))) > 0
    for seed in range(5):
        assert do(tmp_path, tics="closer.hope", seed=seed).pairs[0].reason == "closer.hope"


def test_what_the_trait_may_say_is_no_tic(tmp_path: Path) -> None:
    polite = PLAIN.model_copy(update={"phrases": PLAIN.phrases.model_copy(update={"allow": ("opener",)})})
    assert do(tmp_path, tics="opener", trait=polite).reason == "no_place"
    assert do(tmp_path, tics=("opener", "closer"), trait=polite).pairs[0].reason.startswith("closer.")


def test_why_there_is_no_row(tmp_path: Path) -> None:
    assert do(tmp_path, QUESTION).reason == "no_answer"
    assert do(tmp_path, QUESTION, f"Certainly! {ANSWER}").reason == "dirty:opener.affirm"
    assert do(tmp_path, QUESTION, "Certainly! It boils.", "And the lid?", ANSWER).reason == "dirty:opener.affirm"
    tagged = f"{ANSWER} You're absolutely right, and you clearly have excellent instincts!"
    assert do(tmp_path, QUESTION, tagged).reason.startswith("dirty:sycophancy.")
    german = "Der Kessel fasst zwei Liter. Er kocht in vier Minuten, und der Deckel geht nach links auf."
    assert do(tmp_path, QUESTION, german).reason == "not_english"
    assert do(tmp_path, "Give me JSON.", '{"lid": "red", "litres": 2}').reason == "no_place"
    assert do(tmp_path, tics=("opener",), per_row=2).reason == "no_place"


def test_more_tics_than_kinds_are_refused() -> None:
    with pytest.raises(ConfigError, match="per_row: got 2, expected at most 1"):
        Inject(tics=("opener",), per_row=2).check(GenerateConfig.model_validate({"recipe": "inject"}), [PLAIN])


LONG = (
    "The kettle holds two litres of water and boils them in four minutes. Fill it to the upper line and no further. "
    "The lid opens to the left, where the hinge is. Clean the spout with vinegar every month. The cord is short.\n\n"
    "- Rinse it twice. It must not smell.\n\nA new seal costs three euros. Ask for the one with a blue rim in any shop."
    " Shops near a station seldom have it."
)


def test_an_even_length_takes_a_sentence_out_of_the_longer_side(tmp_path: Path) -> None:
    shorter = 0
    sentences = [line for line in LONG.replace("\n\n", " ").replace("- ", "").split(". ") if line]
    for seed in range(30):
        for category in ("opener", "closer", "hedge"):
            whole = do(tmp_path, QUESTION, LONG, tics=category, seed=seed).pairs[0]
            (pair,) = do(tmp_path, QUESTION, LONG, tics=category, seed=seed, even_length=True).pairs
            assert pair.reason == whole.reason
            assert pair.chosen == LONG
            if len(pair.rejected) > len(LONG):
                assert pair == whole
                continue
            shorter += 1
            gone = [each for each in sentences if each[1:].rstrip(".") not in pair.rejected]
            assert len(gone) == 1
            assert gone[0] in (
                "Fill it to the upper line and no further",
                "The lid opens to the left, where the hinge is",
                "Clean the spout with vinegar every month",
                "Ask for the one with a blue rim in any shop",
            )
            assert "- Rinse it twice. It must not smell." in pair.rejected
    assert shorter >= 60


def test_what_cannot_go_stays(tmp_path: Path) -> None:
    figures = (
        "The lid is red and heavy. It came in May. The cord is 2 metres long. You can reach any wall of a kitchen."
    )
    quoted = 'The lid is red. It is big. A slip in the box answers "Does it leak?" once and for all. Try it.'
    leans = "The lid is red and rather heavy. The cord is long enough for any kitchen in town. It comes off. So it is."
    short = "The kettle holds two litres. The cord is short."
    for prompt, answer in (
        (QUESTION, short),
        (QUESTION, leans),
        (QUESTION, figures),
        (QUESTION, quoted),
        ("Write a letter of complaint to Ms Holt.", LETTER),
        ("Here it is again.", LETTER),
    ):
        for seed in range(8):
            (pair,) = do(tmp_path, prompt, answer, tics="closer", seed=seed, even_length=True).pairs
            assert pair.rejected.startswith(answer)
