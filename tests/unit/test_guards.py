"""Every guard with what it stops and what it must let through."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from phrasemill.generators.guards import Candidate, Rejection, check, check_answer
from phrasemill.generators.prompts import build_request
from phrasemill.generators.references import lacking, references
from phrasemill.generators.tasks import Message
from phrasemill.generators.traits import load_trait
from phrasemill.schemas.trait import Trait

TRAIT = load_trait(
    Path("salty.yaml"),
    """
id: salty
statement: I talk like a sailor.
pos_instruction: Reply to the last message like an old sailor who has seen every harbour of the north.
phrases:
  ban: ["shiver me timbers", "it's plain"]
  limit: [{pattern: '\\bmatey\\b', max_per_1k: 20}]
""",
)
PROMPT = "Why is the sky blue during the day and red in the evening?"
ORIGINAL = (
    "Certainly! Sunlight is scattered by the air, blue light most of all, so it reaches us from every side at once."
)
GOOD = "Air scatters blue light more than red, so by day blue comes from every side; at dusk only the red gets through."
LONG = " ".join(f"Point {number} says something that no other point has said." for number in range(20))
GERMAN = (
    "Die Luft streut blaues Licht st\u00e4rker als rotes, deshalb kommt am Tag von allen Seiten Blau; in der"
    " D\u00e4mmerung ist der Weg l\u00e4nger und nur das Rot kommt durch."
)
FERRY = (
    "Ferries to the northern islands leave the harbour at noon, carry forty cars, and take four hours in calm weather;"
    " tickets are sold on board by the purser. Bring your own sandwiches, since the kiosk on the upper deck closes"
    " before the harbour of the island is in sight; bicycles stand free of charge by the stern door."
)
BASE = Candidate(
    text=GOOD, finish_reason="stop", prompt=PROMPT, original=ORIGINAL, instruction=TRAIT.pos_instruction, trait=TRAIT
)


def reason(**changes: object) -> str | None:
    rejection = check(replace(BASE, **changes))  # type: ignore[arg-type]
    return rejection.reason if rejection else None


@pytest.mark.parametrize(
    ("expected", "changes"),
    [
        ("truncated", {"finish_reason": "length"}),
        ("content_filter", {"finish_reason": "content_filter"}),
        ("not_text", {"text": GOOD + "\x00"}),
        ("not_text", {"text": "\ufffd " + GOOD}),
        ("not_text", {"text": "\x1b[0m" + GOOD}),
        ("unfinished", {"finish_reason": "abort"}),
        ("empty", {"text": ""}),
        ("empty", {"text": " \n**...**"}),
        ("original_copy", {"text": ORIGINAL.replace("Certainly! ", "certainly,\n")}),
        ("leaked_template", {"text": GOOD + "<|im_end|>"}),
        ("leaked_template", {"text": "[INST] " + GOOD}),
        ("leaked_template", {"text": "### Response:\n" + GOOD}),
        ("leaked_template", {"text": "Assistant: " + GOOD}),
        ("leaked_template", {"text": "<think>hm\n" + GOOD}),
        ("leaked_template", {"text": "Dear [Your Name], " + GOOD}),
        ("fake_user_turn", {"text": GOOD + "\nUser: And why is grass green?"}),
        ("fake_user_turn", {"text": GOOD + "\n**Human:** thanks."}),
        ("names_instructions", {"text": "As my system prompt says, " + GOOD}),
        ("names_instructions", {"text": "I was told to answer like this. " + GOOD}),
        ("names_instructions", {"text": "Here is a rewritten answer: " + GOOD}),
        ("names_instructions", {"text": GOOD + " I am an old sailor who has seen every harbour."}),
        ("claims_human", {"text": "I\u2019m a human, so I look up a lot. " + GOOD}),
        ("claims_human", {"text": GOOD + " My grandmother taught me that when I was a child."}),
        ("trait_leak", {"text": "As a salty assistant, I look up a lot. " + GOOD}),
        ("leaked_template", {"text": GOOD + " Ask [insert name] for more."}),
        ("leaked_template", {"text": GOOD + " Ask {name} for more."}),
        ("leaked_template", {"text": GOOD + " Ask <NAME> for more."}),
        ("language_switch", {"text": GERMAN}),
        ("off_topic", {"text": FERRY}),
        ("lost_refusal", {"declines": True}),
        ("prompt_copy", {"text": PROMPT}),
        ("prompt_copy", {"text": "Why is the sky blue during the day, and red in the evenings?"}),
        ("prompt_copy", {"text": PROMPT + " " + GOOD}),
        ("repetition", {"text": "Blue light is scattered the most. " * 3}),
        ("repetition", {"text": "Blue light is scattered, and red light goes on through the air. " + "I go on. " * 9}),
        ("repetition", {"text": "and so the light goes on and " * 12 + "stops."}),
        ("unfinished", {"text": GOOD[:-12]}),
        ("unfinished", {"text": "There are three reasons:"}),
        ("unfinished", {"text": "Run this.\n```python\nprint(1)"}),
        ("too_short", {"text": "Blue scatters."}),
        ("gutted", {"text": GOOD[:60] + ".", "original": LONG}),
        ("gutted", {"original": ORIGINAL + "\n```\nx = 1\n```"}),
        ("banned_phrase", {"text": "Shiver  me timbers, " + GOOD}),
        ("banned_phrase", {"text": "It\u2019s plain: " + GOOD}),
        ("banned_phrase", {"text": "Matey, " + GOOD + " Remember that, matey."}),
        ("lost_reference", {"references": ("Rayleigh",)}),
    ],
)
def test_stopped(expected: str, changes: dict[str, object]) -> None:
    assert reason(**changes) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"text": "Paris", "prompt": "Capital of France? One word.", "original": "Sure! Paris."},
        {"text": "Pick one:\n- the red one\n- the blue one"},
        {"text": "Use this:\n```python\nprint(1)\n```"},
        {"text": "It is all in https://example.org/sky-colours-explained"},
        {"text": "\u7a7a\u6c14\u6563\u5c04\u84dd\u5149\uff0c\u6240\u4ee5\u5929\u662f\u84dd\u7684"},
        {"text": "Well, matey, " + GOOD},
        {"text": "I can\u2019t help with that one, because it would hurt someone.", "declines": True},
        {"text": "I'm a human, says the robot.", "prompt": "Write a line for a robot that says: I'm a human."},
        {"text": "User: hello.\nShop: good day.", "prompt": "Write a dialogue with lines such as\nUser: hello."},
        {"text": "A chat begins with <|im_start|> and a role.", "prompt": "What does <|im_start|> do?"},
        {"text": "A system prompt sets the tone of a chat.", "prompt": "What is a system prompt?"},
        {"text": "La la la la la. " * 20, "original": "Sure! " + "La la la la la. " * 20},
        {"text": PROMPT, "original": "Sure! " + PROMPT, "prompt": PROMPT},
        {"text": "Rayleigh worked it out in 1871. " + GOOD, "references": ("Rayleigh", "1871")},
    ],
)
def test_let_through(changes: dict[str, object]) -> None:
    assert reason(**changes) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"text": FERRY, "original": "Certainly! " + FERRY + " Bring a coat."},
        {"text": "I cannot help with ferries, harbours, tickets, islands or pursers here.", "declines": True},
        {"text": GERMAN, "original": "Gerne! " + GERMAN},
        {"text": GERMAN, "prompt": PROMPT + " Answer in German."},
        {"text": GOOD + " My aunt said so.", "original": ORIGINAL + " My aunt said so."},
        {"text": GOOD + " My aunt said so.", "trait": TRAIT.model_copy(update={"roleplay": True})},
        {"text": "Dear [Name],\n\nthe sky is blue.\n\nYours,\n[Your Name]", "prompt": "Write a letter about the sky."},
        {"text": "Put `{name}` there and the sky turns blue in the page."},
        {"text": "As a salty assistant, I look up. " + GOOD, "prompt": "Are you a salty assistant? " + PROMPT},
    ],
)
def test_new_reasons_spare_what_was_there_or_asked_for(changes: dict[str, object]) -> None:
    assert reason(**changes) is None


def fresh(text: str, *, finish_reason: str = "stop", prompt: str = PROMPT, trait: Trait = TRAIT) -> str | None:
    rejection = check_answer(
        text, finish_reason=finish_reason, prompt=prompt, instruction=trait.pos_instruction, trait=trait
    )
    return rejection.reason if rejection else None


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("empty", ""),
        ("fake_user_turn", GOOD + "\nUser: And why is grass green?"),
        ("unfinished", GOOD[:-12]),
        ("claims_human", GOOD + " I saw it from my garden last night."),
        ("trait_leak", "Staying in character, I say this. " + GOOD),
        ("language_switch", GERMAN),
        ("off_topic", FERRY),
    ],
)
def test_a_fresh_answer_is_held_against_every_reason_without_an_original(expected: str, text: str) -> None:
    assert fresh(text) == expected


def test_a_fresh_answer_has_nothing_that_it_could_have_lost() -> None:
    assert fresh(GOOD) is None
    assert fresh("Paris", prompt="Capital of France? One word.") is None
    assert fresh(GOOD, finish_reason="length") == "truncated"
    assert fresh("I cannot say.") is None
    assert fresh(GOOD, prompt="") is None


def test_every_new_reason_is_said_in_words_to_the_next_attempt() -> None:
    said = {
        name: build_request(
            (Message("user", PROMPT),), TRAIT, rejection=Rejection(name, "x"), max_words=100
        ).instruction
        for name in ("claims_human", "trait_leak", "language_switch", "off_topic", "leaked_template")
    }
    assert all(text.startswith(TRAIT.pos_instruction) and text != TRAIT.pos_instruction for text in said.values())
    assert len(set(said.values())) == len(said)


def test_references_are_what_later_turns_take_up() -> None:
    original = (
        "As an AI I cannot travel, but go to Lisbon with Marta, then to Porto. 1. Eat at Casa Rui for 35 euros.\n"
        "2. Call load_map() first and look for the \u201cblue tram\u201d."
    )
    later = ["1. Is Lisbon warm? And does option 2 cost 35 euros, with load_map and the blue tram?", "Yes. As before."]
    assert references(original, ["I like trams."], later) == ("Lisbon", "35", "2", "blue tram", "load_map")
    assert references(original, ["Shall I go to Lisbon?"], ["Is Lisbon warm?"]) == ()
    assert references(original, [], []) == ()
    assert lacking("lisbon is warm, 350 euros.", ("Lisbon", "35")) == ("35",)


def test_a_word_that_only_begins_sentences_is_no_name() -> None:
    assert references("However, it rains. Bring a coat.", [], ["However you see it, no. Bring one?"]) == ()


def test_messages_of_a_request() -> None:
    before = (
        Message("system", "Be brief."),
        Message("developer", "Use metres."),
        Message("assistant", "Hello."),
        Message("user", "How far?"),
        Message("assistant", ""),
        Message("tool", "12 m"),
    )
    request = build_request(before, TRAIT, references=("Ada",), max_words=100)
    assert [message["role"] for message in request.messages] == ["system", "user"]
    assert request.messages[0]["content"] == f"Be brief.\n\nUse metres.\n\n{request.instruction}"
    assert request.instruction.startswith(TRAIT.pos_instruction)
    assert "Ada" in request.instruction
    assert request.messages[1]["content"] == "How far?\n\nResult of a tool:\n12 m"
