"""Why a row ended as it did: its original and its result, with spans, verdict and every answer that was tried."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
from pydantic import BaseModel, ConfigDict

from phrasemill.engine.query import open_catalog
from phrasemill.schemas.errors import ConfigError, IntegrityError


class Part(BaseModel):
    """A part of an explanation; columns that it does not need are left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class FoundSpan(Part):
    """A hit. ``start`` and ``stop`` count code points in the original; ``exempt`` is why the text excuses it.

    ``action`` is what the policy does with it, None where it leaves it alone.
    """

    start: int
    stop: int
    rule_id: str
    category: str
    filter: str
    text: str
    exempt: str | None
    action: str | None
    cut_start: int | None
    cut_stop: int | None


class OriginalTurn(Part):
    """A turn as it was read, with its hits in order of their start. Turns without a hit are not kept as evidence."""

    field: str
    turn: int
    text: str
    spans: tuple[FoundSpan, ...]


class Message(Part):
    """A published turn."""

    role: str
    content: str


class Attempt(Part):
    """One answer of a model, taken or not, and why."""

    field: str
    turn: int
    attempt: int
    trait_id: str | None
    backend: str | None
    model: str | None
    text: str | None
    finish_reason: str | None
    hits_left: tuple[str, ...] | None
    outcome: str
    reason: str | None
    seconds: float | None


class Quarantined(Part):
    """Why a row cannot be used, and the row itself as JSON, cut to a length."""

    reason: str
    detail: str | None
    raw: str | None


class ExplainedRow(Part):
    """One row of the input. ``result`` is empty where nothing of it is published as SFT data."""

    shard: str
    row: int
    source: str
    action: str
    outcome: str
    reasons: tuple[str, ...]
    originals: tuple[OriginalTurn, ...]
    result: tuple[Message, ...]
    attempts: tuple[Attempt, ...]
    pairs: int
    quarantined: Quarantined | None


class Explanation(Part):
    """All rows with that id, in order of shard and row: ids may repeat."""

    row_id: str
    rows: tuple[ExplainedRow, ...]


def explain(out: Path, row_id: str) -> Explanation:
    """Look a row up by its id.

    Raises:
        ConfigError: no row has that id. IntegrityError: the evidence cannot be read.

    """
    with open_catalog(out) as catalog:
        try:
            verdicts = _select(
                catalog,
                "SELECT v.*, coalesce(s.source, '') AS source FROM verdicts v LEFT JOIN shards s USING (shard) "
                "WHERE row_id = ? ORDER BY shard, row",
                row_id,
            )
            rows = tuple(_explained(catalog, verdict) for verdict in verdicts)
            some = [] if rows else catalog.execute("SELECT row_id FROM verdicts LIMIT 3").fetchall()
        except duckdb.Error as error:
            raise IntegrityError(
                f"{out}: the evidence cannot be read: {error}; see: phrasemill verify {out}"
            ) from error
    if not rows:
        ids = ", ".join(str(found) for (found,) in some) or "none"
        raise ConfigError(f"{out}: no row has the id {row_id!r}; ids there are for example: {ids}")
    return Explanation(row_id=row_id, rows=rows)


def _explained(catalog: duckdb.DuckDBPyConnection, verdict: Mapping[str, Any]) -> ExplainedRow:
    at = (verdict["shard"], verdict["row"])
    spans = _select(catalog, 'SELECT * FROM spans WHERE shard = ? AND row = ? ORDER BY "start", "stop"', *at)
    originals = _select(catalog, "SELECT * FROM originals WHERE shard = ? AND row = ? ORDER BY field, turn", *at)
    published = _select(catalog, "SELECT messages FROM sft WHERE pm_shard = ? AND pm_row = ?", *at)
    attempts = "SELECT * FROM generations WHERE shard = ? AND row = ? ORDER BY field, turn, attempt"
    pairs = _select(catalog, "SELECT count(*) AS pairs FROM preference WHERE pm_shard = ? AND pm_row = ?", *at)
    kept_out = _select(catalog, "SELECT * FROM quarantine WHERE shard = ? AND row = ?", *at)
    turns = [
        {**turn, "spans": [span for span in spans if (span["field"], span["turn"]) == (turn["field"], turn["turn"])]}
        for turn in originals
    ]
    return ExplainedRow.model_validate(
        {
            **verdict,
            "reasons": verdict["reasons"] or (),
            "originals": turns,
            "result": published[0]["messages"] if published else (),
            "attempts": _select(catalog, attempts, *at),
            "pairs": pairs[0]["pairs"],
            "quarantined": kept_out[0] if kept_out else None,
        }
    )


def _select(catalog: duckdb.DuckDBPyConnection, sql: str, *values: object) -> list[dict[str, Any]]:
    answer = catalog.execute(sql, values)
    names = [column[0] for column in answer.description or ()]
    return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
