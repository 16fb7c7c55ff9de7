"""What a rollout is worth: predicates, near-duplicates, a person's verdict, and which of its pairs are published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from phrasemill.engine.generate_lay_out import Ended
from phrasemill.engine.generate_where import Predicate, check_known, facts_of, failing
from phrasemill.engine.override_turns import reason as reason_of
from phrasemill.engine.overrides import Override, Overrides, answer_hash
from phrasemill.generators.ask import Item
from phrasemill.generators.attempts import Attempt
from phrasemill.generators.confounds import balance
from phrasemill.generators.monitors import Monitor
from phrasemill.generators.recipes.base import Made, Pair, Query
from phrasemill.generators.recipes.query_spread import Known
from phrasemill.generators.tasks import Message
from phrasemill.schemas.generate import PairingConfig

EDITED: Final = reason_of("edit")
"""Note of a row in which a person's text stands."""

_DROPPED: Final = reason_of("drop")


@dataclass(slots=True)
class Settler:
    """Decides on the items of one trait, in order. ``untrusted``: why a judge's pairs are withheld, or empty."""

    predicates: tuple[Predicate, ...]
    pairing: PairingConfig
    monitor: Monitor
    known: Known
    overrides: Overrides
    untrusted: str
    seed: int
    met: set[str] = field(default_factory=set)
    """Ids of the rows on which a person's verdict was heeded."""

    def settle(self, item: Item, made: Made, attempts: Sequence[Attempt], lacking: int | None) -> Ended:
        """What becomes of an item. ``lacking``: how many more are wanted, None where all are.

        Raises:
            ConfigError: a predicate is on a number that no row has.
        """
        ended = self._judged(item, made, lacking)
        self.remember(item.row_id, "" if ended.accepted else ended.reason, ended.notes)
        return replace(ended, attempts=tuple(attempts))

    def remember(self, row_id: str, reason: str, notes: Sequence[str]) -> None:
        """Take note of an item that was settled, now or before a stop. ``reason``: empty where it was accepted."""
        self.monitor.add(reason)
        override = self.overrides.of_row(row_id)
        if override is not None and _is_heeded(override, reason, notes):
            self.met.add(row_id)

    def paired(self, block: Sequence[Ended]) -> list[Ended]:
        """A block with only those pairs that are to be published."""
        if self.pairing.balance == "none":
            return list(block)
        places = [place for place, ended in enumerate(block) for _ in ended.pairs]
        every = [pair for ended in block for pair in ended.pairs]
        if not every:
            return list(block)
        lengths = ([len(getattr(pair, side)) for pair in every] for side in ("chosen", "rejected"))
        left: dict[int, list[Pair]] = {}
        for number in balance(*lengths, seed=self.seed, max_auc=self.pairing.max_auc).tolist():
            left.setdefault(places[number], []).append(every[number])
        return [_with_pairs(ended, left.get(place, [])) for place, ended in enumerate(block)]

    def _judged(self, item: Item, made: Made, lacking: int | None) -> Ended:
        if made.queries:
            return self._queries(item, made.queries, lacking)
        if made.messages is None:
            return Ended(item, None, reason=made.reason or "nothing")
        facts = facts_of(made)
        check_known(self.predicates, facts)
        if reason := failing(self.predicates, facts):
            return Ended(item, None, reason=reason)
        ended = self._overridden(item, made.messages, made.pairs, facts.get("score"))
        # A row may say why it has no pair.
        lost = (made.reason,) if made.reason and not made.pairs and ended.accepted else ()
        return replace(ended, withheld=(*ended.withheld, *lost))

    def _queries(self, item: Item, queries: Sequence[Query], lacking: int | None) -> Ended:
        kept: list[Query] = []
        for query in queries:
            if lacking is not None and len(kept) >= lacking:
                break
            if not self.known.add(query.text):
                kept.append(query)
        return Ended(item, None, queries=tuple(kept), reason="" if kept else "near_duplicate")

    def _overridden(
        self, item: Item, messages: tuple[Message, ...], pairs: tuple[Pair, ...], score: float | None
    ) -> Ended:
        """The row as a person left it: dropped, edited, or as it was made."""
        answer = answer_hash(messages[-1].content)
        override = self.overrides.of_row(item.row_id)
        if override is not None and override.answer not in ("", answer):
            override = None  # it was said of another answer: since then the trait, the model or a setting changed
        if override is not None and override.verdict == "drop":
            return Ended(item, None, reason=_DROPPED)
        notes: tuple[str, ...] = ()
        # The text is of the last answer: whoever changed another turn would make this one an answer to something else.
        last = ("messages", len(messages) - 1)
        if override is not None and override.verdict == "edit" and (override.field, override.turn) == last:
            text, old = override.edit, messages[-1].content
            messages = (*messages[:-1], Message("assistant", text))
            pairs = tuple(replace(pair, chosen=text) if pair.chosen == old else pair for pair in pairs)
            notes = (EDITED,)
        published, withheld = self._published(pairs)
        return Ended(item, messages, published, score=score, answer_hash=answer, withheld=withheld, notes=notes)

    def _published(self, pairs: Sequence[Pair]) -> tuple[tuple[Pair, ...], tuple[str, ...]]:
        kept: list[Pair] = []
        withheld: list[str] = []
        for pair in pairs:
            reason = self._withheld(pair)
            if reason:
                withheld.append(reason)
            else:
                kept.append(pair)
        return tuple(kept), tuple(withheld)

    def _withheld(self, pair: Pair) -> str:
        chosen, rejected = pair.chosen.strip(), pair.rejected.strip()
        if not chosen or not rejected:
            return "empty_side"
        if chosen == rejected:
            return "identical"
        if pair.margin is not None and self.untrusted:
            return "judge_untrusted"
        ratio = max(len(chosen), len(rejected)) / min(len(chosen), len(rejected))
        if self.pairing.max_length_ratio is not None and ratio > self.pairing.max_length_ratio:
            return "length_ratio"
        return ""


def _is_heeded(override: Override, reason: str, notes: Sequence[str]) -> bool:
    if override.verdict == "drop":
        return reason == _DROPPED
    return override.verdict != "edit" or EDITED in notes


def _with_pairs(ended: Ended, pairs: Sequence[Pair]) -> Ended:
    lost = ("balance",) * (len(ended.pairs) - len(pairs))
    return replace(ended, pairs=tuple(pairs), withheld=(*ended.withheld, *lost))
