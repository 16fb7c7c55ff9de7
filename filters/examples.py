"""The examples of a pack, run: every ``hit`` text gives a span of its rule that counts, no ``miss`` text does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

from phrasemill.filters.compiled import CompiledRule
from phrasemill.filters.hits import Hit
from phrasemill.filters.packs import load_rules
from phrasemill.filters.regex import RegexFilter
from phrasemill.filters.turns import TurnTable, turn_table
from phrasemill.schemas.rule import Example
from phrasemill.schemas.tables import MESSAGES


class Case(NamedTuple):
    """One example of one rule."""

    rule: CompiledRule
    wanted: bool
    example: Example


class Outcome(NamedTuple):
    """What scanning an example gave: ``hits`` of all rules, ``own`` of its rule that count."""

    case: Case
    hits: tuple[Hit, ...]
    own: tuple[Hit, ...]

    @property
    def passed(self) -> bool:
        """Whether the rule did what the example says."""
        return bool(self.own) == self.case.wanted


def cases(rules: Sequence[CompiledRule]) -> list[Case]:
    """All examples of the rules, in order."""
    found: list[Case] = []
    for rule in rules:
        for wanted, examples in ((True, rule.rule.examples.hit), (False, rule.rule.examples.miss)):
            for example in examples:
                found.append(Case(rule, wanted, Example(text=example) if isinstance(example, str) else example))
    return found


def run_examples(packs: Sequence[str]) -> list[Outcome]:
    """Every example of the packs, scanned with all their rules at once."""
    regex = RegexFilter(packs=tuple(packs))
    wanted = cases(load_rules(packs))
    hits: dict[int, list[Hit]] = {}
    for hit in regex.find_each(conversations([(case.example.prompt or "", case.example.text) for case in wanted])):
        hits.setdefault(hit.at, []).append(hit)
    outcomes: list[Outcome] = []
    for index, case in enumerate(wanted):
        found = tuple(hits.get(index, ()))
        own = tuple(hit for hit in found if hit.rule_id == case.rule.rule.id and hit.exempt is None)
        outcomes.append(Outcome(case, found, own))
    return outcomes


def conversations(pairs: Sequence[tuple[str, str]]) -> TurnTable:
    """The assistant turns of (user, assistant) exchanges, as filters see them."""
    rows = [[{"role": "user", "content": user}, {"role": "assistant", "content": answer}] for user, answer in pairs]
    return turn_table("messages", pa.array(rows, MESSAGES)).having_role(("assistant",))
