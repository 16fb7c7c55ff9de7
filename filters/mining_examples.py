"""What the rules of mined phrases do on the answers themselves: how often they hit, and sentences that show it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

import pyarrow.compute as pc

from phrasemill.filters.examples import Outcome
from phrasemill.filters.hits import Hit
from phrasemill.filters.regex import RegexFilter
from phrasemill.filters.turns import TurnTable
from phrasemill.schemas.rule import Position

WANTED: Final = 3
"""Examples of each kind that a rule gets."""

NEEDED: Final = 2
"""Examples of each kind that a rule must have."""

SPARE: Final = 4
"""Further ones that are kept for the case that some do not hold on their own."""

MAX_CHARACTERS: Final = 300
"""Longest example; what is longer is cut between words."""

_OPENINGS: Final = 40
_SENTENCE_END: Final = re.compile(r"[.!?][\"'*_)]*\s+|\n")


@dataclass(frozen=True, slots=True)
class Probe:
    """What is looked for where a rule does not hit: a word of it, and its position."""

    rule_id: str
    word: str
    at: Position


@dataclass(slots=True)
class Examples:
    """Counts and examples by rule id, collected batch by batch."""

    regex: RegexFilter
    probes: Sequence[Probe]
    here: Counter[str] = field(default_factory=Counter)
    elsewhere: Counter[str] = field(default_factory=Counter)
    hits: dict[str, list[str]] = field(default_factory=dict)
    misses: dict[str, list[str]] = field(default_factory=dict)
    _openings: list[tuple[str, set[str]]] = field(default_factory=list)

    def add(self, turns: TurnTable, *, is_here: bool) -> None:
        """Count the answers with a hit of each rule; take examples."""
        found = [hit for hit in self.regex.find_each(turns) if hit.exempt is None]
        holders = {(hit.rule_id, hit.at) for hit in found}
        (self.here if is_here else self.elsewhere).update(rule_id for rule_id, _ in holders)
        if is_here:
            self._take_hits(found, turns)
        self._take_openings(found, turns)
        for probe in self.probes:
            known = self.misses.setdefault(probe.rule_id, [])
            if len(known) < WANTED + SPARE:
                self._take_misses(probe, turns, {at for rule_id, at in holders if rule_id == probe.rule_id})

    def _take_hits(self, found: Sequence[Hit], turns: TurnTable) -> None:
        places = {probe.rule_id: probe.at for probe in self.probes}
        for hit in found:
            known = self.hits.setdefault(hit.rule_id, [])
            if len(known) < WANTED + SPARE:
                text = str(turns.text[hit.at])
                shown = (snippet(text, hit.start, hit.stop, places[hit.rule_id], more) for more in range(3))
                known.extend(islice((each for each in shown if each not in known), 1))

    def _take_misses(self, probe: Probe, turns: TurnTable, holders: set[int]) -> None:
        """Sentences with the rule's word in answers that it does not hit."""
        known = self.misses[probe.rule_id]
        pattern = rf"(?i)\b{re.escape(probe.word)}\b" if probe.word.isascii() else re.escape(probe.word)
        held = pc.indices_nonzero(pc.match_substring_regex(turns.text, pattern)).to_pylist()
        for at in (place for place in held if place not in holders):
            text = str(turns.text[at])
            match = re.search(pattern, text)
            if match is not None:
                taken = snippet(text, match.start(), match.end(), "anywhere")
                if taken not in known and not self._begins_with(probe, taken):
                    known.append(taken)
            if len(known) >= WANTED + SPARE:
                return

    def _begins_with(self, probe: Probe, text: str) -> bool:
        """Whether a start rule matches where the text begins: a longer one may have been preferred to it there."""
        rule = next(rule for rule in self.regex.rules if rule.rule.id == probe.rule_id)
        return probe.at == "start" and bool(rule.matcher.match(text.lstrip("*_~#> \n").encode()))

    def _take_openings(self, found: Sequence[Hit], turns: TurnTable) -> None:
        """How some answers begin, and which rules hit these."""
        for at in range(min(len(turns), _OPENINGS - len(self._openings))):
            text = str(turns.text[at])
            if text.strip():
                self._openings.append((snippet(text, 0, 0, "start"), {hit.rule_id for hit in found if hit.at == at}))

    def fill(self) -> None:
        """Give rules that lack misses the beginnings of answers that they do not hit."""
        for probe in self.probes:
            known = self.misses.setdefault(probe.rule_id, [])
            others = (
                text
                for text, rules in self._openings
                if probe.rule_id not in rules and text not in known and not self._begins_with(probe, text)
            )
            known.extend(islice(others, max(0, WANTED + SPARE - len(known))))


def snippet(text: str, start: int, stop: int, at: Position, more: int = 0) -> str:
    """The sentences around ``start:stop``, to the start or end of the text where a rule at ``at`` needs it.

    ``more``: further sentences, behind it for a start rule, else before it.
    """
    first, last = 0, len(text)
    if at != "start":
        begins = [end.end() for end in _SENTENCE_END.finditer(text, 0, start)]
        first = begins[-1 - more] if len(begins) > more else 0
    if at != "end":
        ends = (end.end() for end in _SENTENCE_END.finditer(text, stop))
        last = next(islice(ends, more if at == "start" else 0, None), len(text))
    if at != "start" and stop - first > MAX_CHARACTERS - 20:
        first = start
    if last - first > MAX_CHARACTERS and at != "end":
        cut = text.rfind(" ", max(stop, first), first + MAX_CHARACTERS)
        last = cut if cut > stop else max(stop, first + MAX_CHARACTERS)
    return text[first:last].strip()


def proven(outcomes: Sequence[Outcome]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Of the examples that were run, at most ``WANTED`` of each kind that hold, by rule id."""
    kept: tuple[dict[str, list[str]], dict[str, list[str]]] = ({}, {})
    for outcome in outcomes:
        texts = kept[0 if outcome.case.wanted else 1].setdefault(outcome.case.rule.rule.id, [])
        if outcome.passed and len(texts) < WANTED:
            texts.append(outcome.case.example.text)
    return kept
