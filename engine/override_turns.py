"""A person's verdicts on the turns of a batch, in place of what the policy would do with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from phrasemill.engine.decide import plan_turn
from phrasemill.engine.judge_turns import Judge, JudgedTurn, judge_turns, with_texts
from phrasemill.engine.manifest import Manifest
from phrasemill.engine.overrides import VERDICTS, Override, Overrides, Verdict
from phrasemill.filters.hits import Hit
from phrasemill.filters.turns import TurnTable

PREFIX: Final = "override:"
"""Reasons that a person gave a row begin with this; the verdict follows, with an underscore for a space."""

DIRTY: Final = "override:dirty"
"""Reason beside ``override:edit``: the policy would act on the person's text, and it is published all the same."""

EXEMPT: Final = "override"
"""Exemption of a hit that a person called a false positive."""

Notes = dict[int, list[str]]
"""Reasons by position in the batch."""


def reason(verdict: Verdict) -> str:
    """The reason of a row with that verdict."""
    return PREFIX + verdict.replace(" ", "_")


def missed(overrides: Overrides, manifest: Manifest) -> int:
    """How many verdicts are on turns that no published shard holds. Every other one is counted in a record."""
    met = sum(shard.reasons.get(reason(verdict), 0) for shard in manifest.shards for verdict in VERDICTS)
    return max(0, len(overrides) - met)


def judge_overridden(
    turns: TurnTable,
    judge: Judge,
    found: Mapping[int, list[Hit]],
    overrides: Overrides,
    *,
    may_mend: bool,
    decides: bool,
) -> tuple[list[JudgedTurn], Notes]:
    """As ``judge_turns``, with the verdicts on these turns of one shard, and the reasons that they give rows.

    A verdict on a turn that is not there has no reason. Only what the assistant says is kept or edited.
    """
    rows = np.empty(0, dtype=np.int64) if turns.row is None else turns.row
    places = overrides.places(turns.field, rows, turns.turn)
    plain = {at: hits for at, hits in found.items() if at not in places}
    judged = judge_turns(turns, judge, plain, may_mend=may_mend, decides=decides)
    notes: Notes = {}
    for at, override in places.items():
        hits = found.get(at, [])
        reasons = [reason(override.verdict)]
        if override.verdict == "false positive":
            judged += _excused(turns, judge, at, hits, override, may_mend=may_mend, decides=decides)
        elif override.verdict == "drop":
            judged.append(_turn(turns, judge, at, hits, "drop", None))
        elif str(turns.role[at]) != "assistant":
            continue
        elif override.verdict == "keep":
            judged += [_kept(turns, at, hits)] if hits else []
        else:
            turn = _turn(turns, judge, at, hits, "strip", override.edit)
            after = judge.find(with_texts(turns, [at], [override.edit])).get(0, [])
            turn.left = [hit for hit in after if hit.exempt is None]
            judged.append(turn)
            if plan_turn(override.edit, after, judge.policy, judge.allow).action is not None:
                reasons.append(DIRTY)
        notes.setdefault(int(turns.position[at]), []).extend(reasons)
    return sorted(judged, key=lambda turn: turn.at), notes


def _excused(
    turns: TurnTable, judge: Judge, at: int, hits: list[Hit], override: Override, *, may_mend: bool, decides: bool
) -> list[JudgedTurn]:
    """The turn as the policy decides on it without the hits that are none; mending does not find them again."""
    named = frozenset(hit.rule_id for hit in hits if not override.rule_ids or hit.rule_id in override.rule_ids)
    marked = [hit._replace(exempt=EXEMPT) if hit.exempt is None and hit.rule_id in named else hit for hit in hits]
    lenient = replace(judge, allow=judge.allow | named)
    judged = judge_turns(turns, lenient, {at: marked} if marked else {}, may_mend=may_mend, decides=decides)
    for turn in judged:
        turn.left = [hit for hit in turn.left if hit.rule_id not in named]
    return judged


def _turn(turns: TurnTable, judge: Judge, at: int, hits: list[Hit], action: str, text: str | None) -> JudgedTurn:
    """A turn with which is done what a person said; its hits keep the actions that the policy had for them."""
    original = str(turns.text[at])
    actions = plan_turn(original, hits, judge.policy, judge.allow).actions
    return JudgedTurn(turns.field, at, original, hits, actions, action, text)


def _kept(turns: TurnTable, at: int, hits: list[Hit]) -> JudgedTurn:
    original = str(turns.text[at])
    left = [hit for hit in hits if hit.exempt is None]
    return JudgedTurn(turns.field, at, original, hits, (None,) * len(hits), None, original, left=left)
