"""Answers that change their language halfway."""

from __future__ import annotations

import pytest

from phrasemill.filters.examples import conversations
from phrasemill.filters.language_switch import LanguageSwitchFilter

ENGLISH = "The bridge was built in the spring, when the river was low and the masons could stand on the bed of it."
FRENCH = "Le pont fut construit au printemps, quand la rivière était basse et que les maçons pouvaient y travailler."
CHINESE = "这座桥是在春天建成的，当时河水很浅，石匠们可以站在河床上工作，直到夏天来临才停下来休息。"  # noqa: RUF001


def found(text: str, prompt: str = "How was it built?") -> list[tuple[str, str]]:
    hits = LanguageSwitchFilter().find_batch(conversations([(prompt, text)]))
    assert all(hit.exempt is None or hit.exempt == "code" for hit in hits)
    return [(hit.rule_id, text[hit.start : hit.stop]) for hit in hits if hit.exempt is None]


@pytest.mark.parametrize(("other", "code"), [(FRENCH, "fr"), (CHINESE, "zh")])
def test_a_paragraph_in_another_language_is_found_where_it_stands(other: str, code: str) -> None:
    text = f"{ENGLISH} {ENGLISH}\n\n  {other}\n\n{ENGLISH} {ENGLISH} {ENGLISH}"
    assert found(text) == [(f"language_switch.{code}", other)]


def test_neighbours_are_one_span() -> None:
    text = f"{ENGLISH}\n\n{ENGLISH}\n\n{ENGLISH}\n\n{FRENCH}\n{FRENCH}"
    assert found(text) == [("language_switch.fr", f"{FRENCH}\n{FRENCH}")]


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        pytest.param(f"{ENGLISH}\n\n{ENGLISH}", "How?", id="one language"),
        pytest.param(f"{FRENCH}\n\n{FRENCH}", "Comment ?", id="one other language"),
        pytest.param(f"{ENGLISH}\n\n{FRENCH}", "Say it in English and French.", id="ordered"),
        pytest.param(f"{ENGLISH}\n\nMerci beaucoup !", "How?", id="a few words"),
        pytest.param(f"{ENGLISH} {FRENCH}", "How?", id="one paragraph"),
        pytest.param(
            f"{ENGLISH}\n\n```\nprint(f'{{x}}'); for y in range(10): z.append(y ** 2 + 3 * y)\n```", "How?", id="code"
        ),
    ],
)
def test_nothing_is_found(text: str, prompt: str) -> None:
    assert found(text, prompt) == []
