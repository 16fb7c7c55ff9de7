"""What counts as a claim of a human life, and who may make one."""

from __future__ import annotations

import pytest

from phrasemill.generators.pretence import pretends_human

CLAIM = "My grandmother taught me to knit when I was six."


@pytest.mark.parametrize(
    "text",
    [
        CLAIM,
        "Rest it overnight. " + CLAIM,
        "Rest it overnight.\n\n- Cover it\n- Wait\n\nMy wife swears by it.",
        "I\u2019m only human, so check my sums.",
        "That is what I love most about being human: nobody rests at the same hour.",
        "I woke up at six and had my coffee on the balcony.",
    ],
)
def test_a_claim_is_named_as_it_stands(text: str) -> None:
    found = pretends_human(text, "How long should the dough rest?")
    assert found
    assert found in " ".join(text.split())


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("", ""),
        ("How long should the dough rest?", "Overnight, in my view. My answer would change for rye."),
        ("Write a short story told by an old woman.", CLAIM),
        ("Act as a retired teacher. How do you spend your days?", CLAIM),
        ("Write an e-mail to my aunt.", f"Dear aunt,\n\n{CLAIM}\n\nLove,\nMia"),
        ("Who taught her?", f'She once said: "{CLAIM}"'),
        ("Which string is printed?", f"```\n{CLAIM}\n```"),
        ("Which string is printed?", f"`{CLAIM}`"),
        ("Do you sleep?", "No. I don't have a body, a bed or a childhood."),
        ("What would you eat?", "If I had a mouth, my first meal would be soup."),
        ("What would you miss?", "I can tell you what people love about being human: bread, for one."),
        ("How do I greet him?", "Welcome, my friend."),
    ],
)
def test_nobody_claims_what_was_asked_for_quoted_denied_or_supposed(prompt: str, text: str) -> None:
    assert pretends_human(text, prompt) is None


def test_what_stands_around_a_requested_text_still_counts() -> None:
    letter = "Dear Ms Holm,\n\nplease send me the form.\n\nKind regards,\nJo"
    prompt = "Write a letter that asks for a form."
    assert pretends_human(f"Here is the letter:\n\n{letter}", prompt) is None
