"""Preference pairs: the flagged original is rejected, what stands there now is chosen, with the same prefix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from phrasemill.schemas.config import PairsConfig
from phrasemill.schemas.judge import JudgeConfig
from phrasemill.schemas.policy import Policy
from phrasemill.schemas.tables import MESSAGES

if TYPE_CHECKING:
    from phrasemill.generators.judging.gate import GateLabel

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
        ("pm_margin", pa.float32()),
        ("pm_trait_hash", pa.large_string()),
        ("pm_shard", pa.large_string()),
        ("pm_row", pa.int64()),
        ("pm_turn", pa.int32()),
    ]
)
"""``data/preference``. ``pm_reason``: rule ids, joined by commas; ``pm_kind``: strip, regenerate, input (a pair that
came in as one) or the name of a recipe; ``pm_length_ratio``: code points of the chosen over those of the rejected side;
``pm_margin``: a judge's score of the chosen side minus that of the rejected one, 0 to 100, null where none judged."""

Message = dict[str, str]

_USUAL: Final = JudgeConfig()


@dataclass(frozen=True, slots=True)
class MendedTurn:
    """One turn that was flagged and mended, with all that a pair needs. ``prefix`` is the conversation before it.

    ``judge_label``: what a judge made of the mended text: ``scored`` (``judge_score``, 0 to 100), ``refusal``,
    ``invalid``, ``unsteady``, ``addressed`` where the text speaks to its judge, or ``untrusted`` where the judge is
    not trusted (both without asking it); None: there was no judge.
    """

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
    judge_label: GateLabel | None = None


def pair_table(
    turns: Sequence[MendedTurn], pairs: PairsConfig, policy: Policy, judge: JudgeConfig = _USUAL
) -> tuple[pa.Table, Counter[str]]:
    """The pairs that may be published, and how many were withheld, by reason.

    ``judge`` says which score a regenerated turn must have.
    """
    withheld: Counter[str] = Counter()
    rows: list[dict[str, object]] = []
    for turn in turns:
        reason = _withheld(turn, pairs, policy, judge)
        if reason:
            withheld[reason] += 1
        else:
            rows.append(_row(turn))
    return pa.Table.from_pylist(rows, schema=PREFERENCE), withheld


def _withheld(turn: MendedTurn, pairs: PairsConfig, policy: Policy, judge: JudgeConfig) -> str:
    """Why a turn makes no pair, or an empty text."""
    chosen, rejected = turn.mended.strip(), turn.original.strip()
    if turn.kind not in pairs.kinds:
        return "kind_not_asked_for"
    if not turn.prefix:
        return "no_prompt"
    if not chosen or chosen == rejected:
        return "identical"
    lack = _not_good(turn, judge)
    if turn.refused and not turn.refuses and (lack or not policy.over_refusal_pairs):
        return "refusal_protected"
    if turn.kind == "regenerate" and pairs.quality == "judge" and lack:
        return lack
    ratio = len(chosen) / len(rejected)
    if ratio > pairs.max_length_ratio or ratio < 1 / pairs.max_length_ratio:
        return "length_ratio"
    return ""


def _not_good(turn: MendedTurn, judge: JudgeConfig) -> str:
    """Why a judge does not vouch for the mended text, or an empty text."""
    if turn.judge_label is None:
        return "no_judge"
    if turn.judge_label != "scored":
        return f"judge_{turn.judge_label}"
    return "" if (turn.judge_score or 0.0) >= judge.min_score else "low_score"


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
