"""Hits taken from the spans that an earlier run stored, so that a changed policy decides without reading text again."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from phrasemill.filters.hits import Hit
from phrasemill.filters.turns import TurnTable


class KnownSpans:
    """Stored spans of one shard, by field, row and turn."""

    def __init__(self, spans: pa.Table) -> None:
        self._hits: dict[tuple[str, int, int], list[Hit]] = {}
        for span in spans.to_pylist():
            cut = None if span["cut_start"] is None else (span["cut_start"], span["cut_stop"])
            hit = Hit(
                -1,
                span["start"],
                span["stop"],
                span["rule_id"],
                span["category"],
                span["filter"],
                span["score"],
                cut,
                span["exempt"],
            )
            self._hits.setdefault((span["field"], span["row"], span["turn"]), []).append(hit)
        self._rows = np.array(sorted({row for _, row, _ in self._hits}), dtype=np.int64)

    def hits(self, turns: TurnTable, row: pa.Array) -> dict[int, list[Hit]]:
        """Hits of these turns by turn index, in order; ``row`` is the shard row of every position of the batch."""
        rows = row.to_numpy()[turns.position]
        found: dict[int, list[Hit]] = {}
        for at in np.flatnonzero(np.isin(rows, self._rows)).tolist():
            hits = self._hits.get((turns.field, int(rows[at]), int(turns.turn[at])))
            if hits:
                found[at] = [hit._replace(at=at) for hit in hits]
        return found
