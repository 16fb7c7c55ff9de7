"""The anchors lose nothing: wherever the alignment reads a phrase in a text, its anchors stand there too."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

import yaml

from phrasemill.filters.fuzzy import FuzzyFilter
from phrasemill.filters.fuzzy_align import Words, align
from phrasemill.filters.fuzzy_anchors import Anchors
from phrasemill.filters.fuzzy_phrases import Template
from phrasemill.filters.fuzzy_words import tokens

SUITE = Path(__file__).parents[1] / "golden" / "suites" / "fuzzy.yaml"
VARIANTS = 3
MODIFIERS = ("really", "extraordinarily", "very", "artificially", "na\u00efvely", "also", "Zo\u00eb's")
LETTERS = "abcdefghijklmnopqrstuvwxyzSTR\u00e9 -'\u2019."


@cache
def _templates() -> list[Template]:
    return [template for entry in FuzzyFilter().entries for template in entry.templates]


def _texts() -> list[str]:
    suite = yaml.safe_load(SUITE.read_text(encoding="utf-8"))
    dice = random.Random(7)
    texts = [hit["text"] for hit in suite["hit"]] + suite["miss"]
    return texts + [_varied(text, dice) for text in texts for _ in range(VARIANTS)]


def _varied(text: str, dice: random.Random) -> str:
    """The text with up to four slips: a character lost, changed, added, swapped, or a word put in."""
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(text) - 2)
        kind = dice.randrange(5)
        if kind == 0:
            text = text[:at] + text[at + 1 :]
        elif kind == 1:
            text = text[:at] + dice.choice(LETTERS) + text[at + 1 :]
        elif kind == 2:
            text = text[:at] + dice.choice(LETTERS) + text[at:]
        elif kind == 3:
            text = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
        else:
            words = text.split(" ")
            words.insert(dice.randrange(len(words)), dice.choice(MODIFIERS))
            text = " ".join(words)
    return text


def _aligned(text: str) -> set[int]:
    """Numbers of the templates that fit somewhere in the text."""
    vocabulary = _templates()[0].slots[0].vocabulary
    words = Words(text, tokens(text, 0, len(text), vocabulary), vocabulary)
    return {
        number
        for number, template in enumerate(_templates())
        if align(template, words, template.entry.plain.threshold) is not None
    }


def test_no_phrase_that_the_alignment_reads_lacks_an_anchor() -> None:
    texts = _texts()
    found = Anchors(_templates()).find([text.encode() for text in texts])
    anchored: dict[int, set[int]] = {}
    for at, template in zip(found.text.tolist(), found.template.tolist(), strict=True):
        anchored.setdefault(at, set()).add(template)
    fitting = [_aligned(text) for text in texts]
    assert sum(map(len, fitting)) > len(texts) / 4
    lost = [
        (text, _templates()[number].entry.plain.id)
        for at, text in enumerate(texts)
        for number in fitting[at] - anchored.get(at, set())
    ]
    assert lost == []


def test_an_anchor_ends_behind_a_word_of_its_own_text() -> None:
    texts = _texts()
    found = Anchors(_templates()).find([text.encode() for text in texts])
    order = list(zip(found.text.tolist(), found.end.tolist(), strict=True))
    assert order == sorted(order)
    for at, end in order:
        raw = texts[at].encode()
        assert raw[end - 1 : end].isalnum()
        assert not raw[end : end + 1].isalnum()
