"""Find and decide for all turns of a batch, and mend what can be mended, until the same rules find nothing to do."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np
import pyarrow as pa

from phrasemill.engine.decide import TurnPlan, plan_turn
from phrasemill.filters.base import Filter
from phrasemill.filters.hits import Hit
from phrasemill.filters.merge import combine
from phrasemill.filters.turns import TurnTable
from phrasemill.schemas.policy import Policy

MAX_ROUNDS: Final = 4
"""How often a mended turn is mended again before it goes to a model: a cut can bring another tic to the front."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Filters, policy and what the traits in use allow: everything that a verdict depends on."""

    filters: tuple[Filter, ...]
    policy: Policy
    allow: frozenset[str] = frozenset()

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles that any filter reads."""
        return tuple(sorted({role for each in self.filters for role in each.reads()}))

    def find(self, turns: TurnTable) -> dict[int, list[Hit]]:
        """Hits by turn index, merged over all filters, in order."""
        found = [_by_turn(each.find_batch(turns)) for each in self.filters]
        if len(found) == 1:
            return found[0]
        every = sorted({at for hits in found for at in hits})
        return {at: combine([hits.get(at, []) for hits in found], str(turns.text[at])) for at in every}


def _by_turn(hits: list[Hit]) -> dict[int, list[Hit]]:
    hits = sorted(hits, key=lambda hit: hit.at)
    return {at: list(group) for at, group in groupby(hits, key=lambda hit: hit.at)}


@dataclass(slots=True)
class JudgedTurn:
    """One turn with hits: what was found, what is done. ``text`` is what stands there afterwards, None until known.

    ``left`` are hits that still count in ``text``; ``action`` None means that nothing is done.
    """

    field: str
    at: int
    original: str
    hits: list[Hit]
    actions: tuple[str | None, ...]
    action: str | None = None
    text: str | None = None
    reason: str = ""
    left: list[Hit] = dataclasses.field(default_factory=list)


def judge_turns(
    turns: TurnTable, judge: Judge, found: dict[int, list[Hit]], *, may_mend: bool, decides: bool = True
) -> list[JudgedTurn]:
    """Every turn with a hit, in order. ``may_mend`` false: hits are only tagged; ``decides`` false: not even."""
    judged: list[JudgedTurn] = []
    mended: list[JudgedTurn] = []
    for at in sorted(found):
        hits = found[at]
        original = str(turns.text[at])
        # A rule may read what users say; only the assistant's own words are changed.
        if may_mend and str(turns.role[at]) == "assistant":
            plan = plan_turn(original, hits, judge.policy, judge.allow)
        else:
            plan = TurnPlan(tuple("tag" if decides and hit.exempt is None else None for hit in hits), None)
        turn = JudgedTurn(turns.field, at, original, hits, plan.actions, plan.action, plan.text, plan.reason)
        judged.append(turn)
        if plan.action == "strip":
            mended.append(turn)
        elif plan.action is None:
            turn.text = original
            turn.left = [hit for hit in hits if hit.exempt is None]
    for _ in range(MAX_ROUNDS):
        mended = _mend_again(turns, mended, judge)
        if not mended:
            break
    for turn in mended:
        turn.action, turn.text, turn.reason = "regenerate", None, "not_clean"
    return judged


def _mend_again(turns: TurnTable, mended: Sequence[JudgedTurn], judge: Judge) -> list[JudgedTurn]:
    """Scan mended texts with the same rules; the ones on which the policy would act again are mended once more."""
    if not mended:
        return []
    found = judge.find(with_texts(turns, [turn.at for turn in mended], [turn.text or "" for turn in mended]))
    again: list[JudgedTurn] = []
    for index, turn in enumerate(mended):
        hits = found.get(index, [])
        plan = plan_turn(turn.text or "", hits, judge.policy, judge.allow)
        if plan.action is None:
            turn.left = [hit for hit in hits if hit.exempt is None]
        elif plan.action == "strip":
            turn.text = plan.text
            again.append(turn)
        else:
            turn.action, turn.text, turn.reason = plan.action, None, plan.reason or "not_clean"
    return again


def with_texts(turns: TurnTable, at: Sequence[int], texts: Sequence[str]) -> TurnTable:
    """The turns ``at`` with other texts, in the same context."""
    index = np.asarray(at, dtype=np.int64)
    return TurnTable(
        turns.field,
        turns.position[index],
        turns.turn[index],
        turns.role.take(pa.array(index)),
        pa.array(texts, pa.large_string()),
        turns.previous[index],
        turns.prompts,
        turns.shard,
        None if turns.row is None else turns.row[index],
    )
