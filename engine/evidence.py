"""Evidence tables of a batch: spans and originals of the judged turns, and one verdict per row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from phrasemill.engine.columns import choices, constant, string_lists
from phrasemill.engine.judge_turns import JudgedTurn
from phrasemill.filters.turns import TurnTable
from phrasemill.schemas.tables import ORIGINALS, OUTCOMES, SPANS, VERDICTS

PLANNED = ("keep", "strip", "regenerate", "drop", "quarantine")
"""Actions of a row, as verdicts name them."""


def span_table(shard: str, row: pa.Array, row_id: pa.Array, turns: TurnTable, judged: Iterable[JudgedTurn]) -> pa.Table:
    """Spans of the judged turns of one field, in reading order."""
    pairs = [(turn, hit, action) for turn in judged for hit, action in zip(turn.hits, turn.actions, strict=True)]
    place = pa.array([int(turns.position[turn.at]) for turn, _, _ in pairs], pa.int64())
    columns = {
        "shard": constant(shard, len(pairs)),
        "row": row.take(place),
        "row_id": row_id.take(place),
        "field": constant(turns.field, len(pairs)),
        "turn": pa.array([int(turns.turn[turn.at]) for turn, _, _ in pairs], pa.int32()),
        "start": [hit.start for _, hit, _ in pairs],
        "stop": [hit.stop for _, hit, _ in pairs],
        "rule_id": [hit.rule_id for _, hit, _ in pairs],
        "category": [hit.category for _, hit, _ in pairs],
        "filter": [hit.filter for _, hit, _ in pairs],
        "score": [hit.score for _, hit, _ in pairs],
        "text": [turn.original[hit.start : hit.stop] for turn, hit, _ in pairs],
        "exempt": [hit.exempt for _, hit, _ in pairs],
        "cut_start": [None if hit.cut is None else hit.cut[0] for _, hit, _ in pairs],
        "cut_stop": [None if hit.cut is None else hit.cut[1] for _, hit, _ in pairs],
        "action": [action for _, _, action in pairs],
    }
    return pa.Table.from_pydict(columns, schema=SPANS)


def original_table(
    shard: str, row: pa.Array, row_id: pa.Array, turns: TurnTable, judged: Sequence[JudgedTurn]
) -> pa.Table:
    """Original texts of the judged turns of one field."""
    at = np.array([turn.at for turn in judged], dtype=np.int64)
    place = pa.array(turns.position[at])
    columns = [
        constant(shard, len(judged)),
        row.take(place),
        row_id.take(place),
        constant(turns.field, len(judged)),
        pa.array(turns.turn[at]),
        turns.text.take(pa.array(at)),
    ]
    return pa.Table.from_arrays(columns, schema=ORIGINALS)


def verdict_table(
    shard: str,
    row: pa.Array,
    row_id: pa.Array,
    action: npt.NDArray[np.int64],
    outcome: npt.NDArray[np.int64],
    reasons: Mapping[int, Sequence[str]],
) -> pa.Table:
    """One verdict per row. ``action`` and ``outcome`` are indices into ``PLANNED`` and ``OUTCOMES``."""
    columns = [
        constant(shard, len(row)),
        row,
        row_id,
        choices(action, PLANNED),
        choices(outcome, OUTCOMES),
        string_lists(len(row), reasons),
    ]
    return pa.Table.from_arrays(columns, schema=VERDICTS)
