"""``accept.where``: predicates on the numbers that every generated row has."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from phrasemill.generators.recipes.base import Made
from phrasemill.generators.relevance import relevance
from phrasemill.schemas.errors import ConfigError

_OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_PREDICATE: Final = re.compile(r"\s*([a-z][a-z0-9_]*)\s*(<=|>=|==|!=|<|>)\s*([-+]?\d+(?:\.\d+)?)\s*")

FACTS: Final = ("words", "characters", "turns", "pairs", "length_ratio", "margin", "score", "relevance")
"""Facts of every row. ``words`` and ``characters`` are of the last answer, ``turns`` counts assistant turns,
``length_ratio`` is chosen over rejected characters of the first pair. A recipe may add its own."""


@dataclass(frozen=True, slots=True)
class Predicate:
    """``name`` compared with ``value``; ``text`` is how it was written."""

    text: str
    name: str
    compare: Callable[[float, float], bool]
    value: float


def read_predicates(texts: Sequence[str]) -> tuple[Predicate, ...]:
    """The predicates of ``accept.where``.

    Raises:
        ConfigError: one is not ``NAME OP NUMBER``.
    """
    return tuple(_predicate(number, text) for number, text in enumerate(texts))


def _predicate(number: int, text: str) -> Predicate:
    found = _PREDICATE.fullmatch(text)
    if found is None:
        raise ConfigError(
            f"accept.where.{number}: got {text!r}, expected NAME OP NUMBER such as 'words >= 20', with one of "
            f"{' '.join(_OPERATORS)}; every row has {', '.join(FACTS)}"
        )
    return Predicate(" ".join(text.split()), found[1], _OPERATORS[found[2]], float(found[3]))


def facts_of(made: Made) -> dict[str, float]:
    """The numbers of a rollout that made a row. Those that nobody measured are missing."""
    assert made.messages is not None
    asked = next((message.content for message in reversed(made.messages) if message.role == "user"), "")
    answers = [message.content for message in made.messages if message.role == "assistant"]
    last = answers[-1] if answers else ""
    facts = {
        "words": float(len(last.split())),
        "characters": float(len(last)),
        "turns": float(len(answers)),
        "pairs": float(len(made.pairs)),
        "relevance": relevance(asked, last) if asked else 1.0,
    }
    if made.pairs:
        first = made.pairs[0]
        facts["length_ratio"] = len(first.chosen) / max(1, len(first.rejected))
        if first.margin is not None:
            facts["margin"] = first.margin
        if first.chosen_score is not None:
            facts["score"] = first.chosen_score
    return facts | dict(made.facts)


def check_known(predicates: Sequence[Predicate], facts: Mapping[str, float]) -> None:
    """Refuse a predicate on a number that no row of the recipe has. ``facts``: those of any row.

    Raises:
        ConfigError: names the predicate and every number that there is.
    """
    for number, predicate in enumerate(predicates):
        if predicate.name not in facts and predicate.name not in FACTS:
            known = ", ".join(dict.fromkeys([*FACTS, *facts]))
            raise ConfigError(f"accept.where.{number}: got {predicate.text!r}, expected one of {known}")


def failing(predicates: Sequence[Predicate], facts: Mapping[str, float]) -> str:
    """The first predicate that does not hold, or an empty text. A number that nobody measured fails it."""
    for predicate in predicates:
        value = facts.get(predicate.name)
        if value is None or math.isnan(value) or not predicate.compare(value, predicate.value):
            return f"where:{predicate.text}"
    return ""
