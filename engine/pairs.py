"""Preference pairs: the flagged original is rejected, what stands there now is chosen, with the same prefix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from phrasemill.schemas.config import PairsConfig
from phrasemill.schemas.policy import Policy
from phrasemill.schemas.tables import MESSAGES

PREFERENCE: Final = pa.schema(
    [
        ("id", pa.large_string()),
        ("prompt", MESSAGES),
        ("chosen", MESSAGES),
        ("rejected", MESSAGES),
        ("pm_row_id", pa.large_string()),
        ("pm_trait_id", pa.large_string()),
        ("pm_reason", pa.large_string()),
        ("pm_kind", pa.large_string()),
        ("pm_length_ratio", pa.float32()),
        ("pm_shard", pa.large_string()),
        ("pm_row", pa.int64()),
        ("pm_turn", pa.int32()),
    ]
)
"""``data/preference``. ``pm_reason``: rule ids, joined by commas; ``pm_kind``: strip, regenerate or input (a pair that
came in as one); ``pm_length_ratio``: code points of the chosen over those of the rejected side."""

Message = dict[str, str]


@dataclass(frozen=True, slots=True)
class MendedTurn:
    """One turn that was flagged and mended, with all that a pair needs. ``prefix`` is the conversation before it."""

    shard: str
    row: int
    row_id: str
    turn: int
    prefix: Sequence[Message]
    original: str
    mended: str
    rules: tuple[str, ...]
    kind: str
    refused: bool
    refuses: bool
    trait_id: str | None = None
    judge_score: float | None = None


def pair_table(turns: Sequence[MendedTurn], pairs: PairsConfig, policy: Policy) -> tuple[pa.Table, Counter[str]]:
    """The pairs that may be published, and how many were withheld, by reason."""
    withheld: Counter[str] = Counter()
    rows: list[dict[str, object]] = []
    for turn in turns:
        reason = _withheld(turn, pairs, policy)
        if reason:
            withheld[reason] += 1
        else:
            rows.append(_row(turn))
    return pa.Table.from_pylist(rows, schema=PREFERENCE), withheld


def _withheld(turn: MendedTurn, pairs: PairsConfig, policy: Policy) -> str:
    """Why a turn makes no pair, or an empty text."""
    chosen, rejected = turn.mended.strip(), turn.original.strip()
    if turn.kind not in pairs.kinds:
        return "kind_not_asked_for"
    if not turn.prefix:
        return "no_prompt"
    if not chosen or chosen == rejected:
        return "identical"
    if turn.refused and not turn.refuses and not (policy.over_refusal_pairs and turn.judge_score is not None):
        return "refusal_protected"
    if turn.kind == "regenerate" and pairs.quality == "judge" and turn.judge_score is None:
        return "not_judged"
    ratio = len(chosen) / len(rejected)
    if ratio > pairs.max_length_ratio or ratio < 1 / pairs.max_length_ratio:
        return "length_ratio"
    return ""


def _row(turn: MendedTurn) -> dict[str, object]:
    # Trainers that look the answer up in a rendered prompt need it without white space around it.
    chosen, rejected = turn.mended.strip(), turn.original.strip()
    return {
        "id": f"{turn.shard}-{turn.row}-{turn.turn}",
        "prompt": list(turn.prefix),
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
        "pm_row_id": turn.row_id,
        "pm_trait_id": turn.trait_id,
        "pm_reason": ",".join(turn.rules),
        "pm_kind": turn.kind,
        "pm_length_ratio": len(chosen) / len(rejected),
        "pm_shard": turn.shard,
        "pm_row": turn.row,
        "pm_turn": turn.turn,
    }
