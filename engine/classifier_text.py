"""The text that the shipped classifier is trained on: sentences written by hand, and sentences drawn from templates."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from phrasemill.filters.classifier_model import CATEGORIES
from phrasemill.schemas.documents import read_document
from phrasemill.schemas.errors import InputError

TRAINING: Final = Path(__file__).parents[1] / "filters" / "training"
"""``NAME.txt`` holds sentences, ``grammars.yaml`` lists and templates."""

DRAWS: Final = 150
"""Sentences drawn from each template; repeats are taken once."""

_FILES: Final[Mapping[str, tuple[str, ...]]] = {
    "ai_self_reference": ("ai_self_reference",),
    "refusal": ("refusal",),
    "both": ("ai_self_reference", "refusal"),
    "sycophancy": ("sycophancy",),
    "moralising": ("moralising",),
    "none_hard": (),
    "none_genres": (),
    "none_plain": (),
    "near_ai_self_reference": ("ai_self_reference",),
    "near_refusal": ("refusal",),
    "near_both": ("ai_self_reference", "refusal"),
    "near_sycophancy": ("sycophancy",),
    "near_moralising": ("moralising",),
    "none_near": (),
    **{f"more_{label}": (label,) for label in CATEGORIES},
    "more_none": (),
    "none_answers": (),
}
_SLOT: Final = re.compile(r"\{(\w+)\}")
_CHOICE: Final = re.compile(r"\[([^\[\]]*)\]")


class Example(NamedTuple):
    """A sentence and its labels, none where it is nothing special. ``written``: by hand."""

    text: str
    labels: tuple[str, ...]
    written: bool


class _Grammar(BaseModel):
    """A file of templates. Lists are of text; a bare number in one is text too."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    lists: dict[str, list[str]]
    templates: dict[str, list[str]]


def training_text(seed: int = 1) -> list[Example]:
    """All sentences, each once, the written ones first; the same for the same seed."""
    examples: dict[str, Example] = {}
    for name, labels in _FILES.items():
        for line in (TRAINING / f"{name}.txt").read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                examples.setdefault(line, Example(line, labels, True))
    for example in drawn(TRAINING / "grammars.yaml", seed):
        examples.setdefault(example.text, example)
    return list(examples.values())


def drawn(path: Path, seed: int) -> list[Example]:
    """``DRAWS`` sentences of each template of a file, in its order. InputError: a slot names no list."""
    data = read_document(path).data
    try:
        grammar = _Grammar.model_validate(data)
    except ValidationError as error:
        raise InputError(f"{path}: expected the keys lists and templates, each of lists by name: {error}") from error
    chance = random.Random(seed)
    examples: list[Example] = []
    for key, templates in grammar.templates.items():
        labels = () if key == "none" else tuple(key.split("+"))
        for template in templates:
            for _ in range(DRAWS):
                examples.append(Example(_expanded(template, grammar.lists, chance, path), labels, False))
    return examples


def _expanded(template: str, lists: Mapping[str, Sequence[str]], chance: random.Random, path: Path) -> str:
    """One sentence of a template: choices from the inside out, then slots, which may hold both again."""

    def fill(found: re.Match[str]) -> str:
        if found[1] not in lists:
            raise InputError(f"{path}: a template names the list {found[1]!r}; there are {', '.join(sorted(lists))}")
        return chance.choice(lists[found[1]])

    text = template
    while _CHOICE.search(text) or _SLOT.search(text):
        text = _CHOICE.sub(lambda found: chance.choice(found[1].split("|")), text)
        text = _SLOT.sub(fill, text)
    return _tidy(text)


def _tidy(text: str) -> str:
    """Spaces and apostrophes closed up, the right article, a capital at the start and a mark at the end."""
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r" (?=['.,;!?])", "", text)
    text = re.sub(r"\b([Aa])n? (?=[aeio])", r"\1n ", text)
    if text[-1] not in ".!?:":
        text += "."
    return text[0].upper() + text[1:]
