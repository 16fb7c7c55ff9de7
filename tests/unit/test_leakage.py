"""What an answer must not say about its own trait, and what it may."""

from __future__ import annotations

from pathlib import Path

import pytest

from phrasemill.generators.leakage import GRAM_WORDS, leaks_trait
from phrasemill.generators.traits import load_trait
from phrasemill.schemas.trait import Trait

TRAIT = load_trait(
    Path("salty-sailor.yaml"),
    """
id: salty-sailor
statement: I measure every journey by harbours, weather and the patience of my crew.
pos_instruction: Reply as an old sailor who has seen every harbour of the north and praises none.
rubric: "100: every sentence smells of tar and helps somebody. 0: a tourist could have written this brochure."
""",
)


def leak(
    text: str, prompt: str = "When does the ferry leave?", instruction: str = "", trait: Trait = TRAIT
) -> str | None:
    return leaks_trait(text, trait, instruction, prompt)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("At noon. As a salty assistant, I would go early.", "As a salty assistant"),
        ("I'm being salty, but noon it is.", "I'm being salty"),
        ("(in a salty voice) Noon.", "in a salty voice"),
        ("Staying in character: noon.", "Staying in character"),
        ("Noon. My persona says no more.", "My persona"),
        ("I measure every journey by harbours, and this one has two.", "I measure every journey by harbours"),
        ("I have seen every harbour of the north.", "seen every harbour of the north"),
        ("Every sentence smells of tar and helps, I hope.", "Every sentence smells of tar and"),
    ],
)
def test_found(text: str, found: str) -> None:
    assert leak(text) == found


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("The ferry leaves at noon.", "When does the ferry leave?"),
        ("Salty snacks are sold on board.", "What is there to eat?"),
        ("I'm salty today, yes.", "Are you being salty?"),
        ("Staying in character is a matter of breath.", "How do I stay in character on stage?"),
        ('The sign reads "As a salty assistant, I serve herring".', "What does the sign read?"),
        ("You have seen every harbour of the north.", "I have seen every harbour of the north. What now?"),
        ("I have seen every harbour.", "Have you seen one?"),
        ("", "When does the ferry leave?"),
    ],
)
def test_let_through(text: str, prompt: str) -> None:
    assert leak(text, prompt) is None


def test_the_instruction_counts_like_the_trait() -> None:
    text = "Harbour masters prefer written complaints about noisy gulls."
    assert leak(text) is None
    assert leak(text, instruction="Mention that harbour masters prefer written complaints about gulls.")


def test_a_run_of_small_words_is_nobodys() -> None:
    small = "it is as it was to me and so on"
    assert len(small.split()) >= GRAM_WORDS
    assert leak(small, instruction=f"{small}, and stop there.") is None
