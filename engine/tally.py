"""Counting what a shard's commit record says: outcomes, reasons, hits by category, rules, pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from phrasemill.engine.judge_turns import JudgedTurn
from phrasemill.engine.manifest import CategoryCount
from phrasemill.filters.turns import TurnTable


@dataclass(slots=True)
class Tally:
    """Counters of one shard, added up batch by batch."""

    rows_in: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    spans: Counter[str] = field(default_factory=Counter)
    exempt: Counter[str] = field(default_factory=Counter)
    acted: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    pairs: Counter[str] = field(default_factory=Counter)
    withheld: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)

    def add_turns(self, turns: TurnTable, judged: Iterable[JudgedTurn]) -> None:
        """Count the hits of one field of a batch."""
        seen: set[tuple[int, str]] = set()
        for turn in judged:
            for hit, action in zip(turn.hits, turn.actions, strict=True):
                if hit.exempt is not None:
                    self.exempt[hit.category] += 1
                    continue
                self.spans[hit.category] += 1
                self.rules[hit.rule_id] += 1
                if action not in (None, "tag"):
                    self.acted[hit.category] += 1
                seen.add((int(turns.position[turn.at]), hit.category))
        self.rows.update(category for _, category in seen)

    def categories(self) -> dict[str, CategoryCount]:
        """Counts by category, as a commit record holds them."""
        return {
            name: CategoryCount(
                rows=self.rows[name],
                spans=self.spans[name],
                exempt=self.exempt[name],
                acted=self.acted[name],
                left=self.left[name],
            )
            for name in sorted({*self.spans, *self.exempt, *self.left})
        }
