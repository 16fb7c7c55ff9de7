"""One batch from rows to verdicts: find, decide, mend, and lay out what is published, staged and kept as evidence.

Columns stay columns; only rows on which the policy acts are looked at one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from phrasemill.engine.columns import single
from phrasemill.engine.evidence import PLANNED, original_table, span_table, verdict_table
from phrasemill.engine.fates import (
    DROPPED,
    KEPT,
    NEEDS_MODEL,
    REASONING_ONLY,
    REGENERATED,
    REPAIRED,
    Codes,
    JudgedField,
    Mode,
    RowFate,
    protected_rows,
    row_codes,
    row_fates,
    row_reasons,
)
from phrasemill.engine.judge_turns import Judge, judge_turns
from phrasemill.engine.known_spans import KnownSpans
from phrasemill.engine.lay_out import LaidOut, lay_out
from phrasemill.engine.override_turns import Notes, judge_overridden, reason
from phrasemill.engine.overrides import NO_OVERRIDES, Overrides
from phrasemill.engine.pairs import PREFERENCE, pair_table
from phrasemill.engine.read import RowBatch
from phrasemill.engine.reasoning import drop_reasoning
from phrasemill.engine.sft import sft_schema, waiting_schema
from phrasemill.engine.tally import Tally
from phrasemill.filters.turns import turn_table
from phrasemill.schemas.config import PairsConfig
from phrasemill.schemas.tables import MENDED_FIELDS, OUTCOMES

_SCANNED = ("messages", "prompt", "chosen", "rejected")


@dataclass(frozen=True, slots=True)
class BatchJob:
    """What every batch of a shard is judged by. ``known``: spans of an earlier run, in place of a new scan.

    ``overrides``: a person's verdicts on rows of this shard.
    """

    shard: str
    mode: Mode
    judge: Judge
    decides: bool
    pairs: PairsConfig
    passthrough: pa.Schema
    known: KnownSpans | None = None
    overrides: Overrides = NO_OVERRIDES


@dataclass(frozen=True, slots=True)
class BatchResult:
    """Tables of a batch. ``waiting``: rows that a model must finish, none unless the mode is ``run``."""

    sft: pa.Table
    waiting: pa.Table
    preference: pa.Table
    spans: pa.Table
    originals: pa.Table
    verdicts: pa.Table
    quarantine: pa.Table


def process_batch(batch: RowBatch, job: BatchJob, tally: Tally) -> BatchResult:
    """Judge and lay out one batch; ``tally`` is added to."""
    table, changed, emptied = batch.table, list[int](), list[int]()
    if job.judge.policy.reasoning == "drop" and job.mode != "scan":
        table, changed, emptied = drop_reasoning(table)
    notes: Notes = {}
    fields = [_judge(table, name, batch.row, job, notes) for name in table.column_names if name in _SCANNED]
    fates = row_fates(fields)
    action, outcome = row_codes(len(table), fates, changed, job.mode)
    action[emptied], outcome[emptied] = PLANNED.index("drop"), DROPPED
    reasons = row_reasons(fates, changed, outcome)
    reasons.update({position: [REASONING_ONLY] for position in emptied})
    _count(tally, fields, outcome, job.mode)
    tally.rows_in += len(batch.quarantine)
    if len(batch.quarantine):
        tally.outcomes["quarantined"] += len(batch.quarantine)
        tally.reasons.update(batch.quarantine["reason"].to_pylist())
    if job.mode != "scan":
        _count_reasons(tally, reasons, outcome, notes)
    for position, said in notes.items():
        reasons[position] = [*said, *reasons.get(position, [])]
    row_id = single(table, "id")
    protected = frozenset() if job.judge.policy.over_refusal_pairs else protected_rows(fields)
    laid_out = _lay_out(table, batch.row, job, fates, action, outcome, protected)
    pairs, withheld = pair_table(laid_out.mended, job.pairs, job.judge.policy)
    tally.withheld.update(withheld + laid_out.withheld)
    for kind, count in (("strip", len(pairs)), ("input", len(laid_out.input_pairs))):
        if count:
            tally.pairs[kind] += count
    return BatchResult(
        sft=laid_out.sft,
        waiting=laid_out.waiting,
        preference=_by_row([laid_out.input_pairs, pairs], "pm_row"),
        spans=_by_row([span_table(job.shard, batch.row, row_id, each.turns, each.judged) for each in fields], "row"),
        originals=_by_row(
            [original_table(job.shard, batch.row, row_id, each.turns, each.judged) for each in fields], "row"
        ),
        verdicts=_with_quarantined(
            verdict_table(job.shard, batch.row, row_id, action, outcome, reasons), batch.quarantine
        ),
        quarantine=batch.quarantine,
    )


def _judge(table: pa.Table, name: str, row: pa.Array, job: BatchJob, notes: Notes) -> JudgedField:
    """The turns of a field that have hits; what a person said about them goes into ``notes``."""
    before = single(table, "prompt") if name in ("chosen", "rejected") else None
    turns = turn_table(name, single(table, name), before).having_role(job.judge.roles).in_shard(job.shard, row)
    found = job.judge.find(turns) if job.known is None else job.known.hits(turns, row)
    may_mend = job.decides and name in MENDED_FIELDS
    if not job.overrides or job.mode == "scan":
        return JudgedField(turns, judge_turns(turns, job.judge, found, may_mend=may_mend, decides=job.decides))
    judged, said = judge_overridden(turns, job.judge, found, job.overrides, may_mend=may_mend, decides=job.decides)
    for position, reasons in said.items():
        notes.setdefault(position, []).extend(reasons)
    return JudgedField(turns, judged)


def _lay_out(
    table: pa.Table,
    row: pa.Array,
    job: BatchJob,
    fates: dict[int, RowFate],
    action: Codes,
    outcome: Codes,
    protected: frozenset[int],
) -> LaidOut:
    if job.mode == "scan":
        empty = PREFERENCE.empty_table()
        sft, waiting = sft_schema(job.passthrough), waiting_schema(job.passthrough)
        return LaidOut(sft.empty_table(), waiting.empty_table(), [], empty, Counter())
    return lay_out(table, row, job.shard, job.passthrough, fates, action, outcome, protected)


def _count(tally: Tally, fields: list[JudgedField], outcome: Codes, mode: Mode) -> None:
    tally.rows_in += len(outcome)
    for code, count in zip(*np.unique(outcome, return_counts=True), strict=True):
        if mode != "run" or code != REGENERATED:
            tally.outcomes[OUTCOMES[int(code)]] += int(count)
    for each in fields:
        tally.add_turns(each.turns, each.judged)
        for turn in each.judged:
            if outcome[each.turns.position[turn.at]] in (KEPT, REPAIRED):
                tally.left.update(hit.category for hit in turn.left)


def _count_reasons(tally: Tally, reasons: dict[int, list[str]], outcome: Codes, notes: Notes) -> None:
    """Count what kept rows out: why each row that is neither kept nor repaired ended as it did.

    A person's verdicts are all counted, and where one dropped the row it is the reason.
    """
    for said in notes.values():
        tally.reasons.update(said)
    for position, why in reasons.items():
        if reason("drop") in notes.get(position, ()):
            continue
        if outcome[position] not in (KEPT, REPAIRED, REGENERATED):
            tally.reasons.update(why[:1] if why[:1] == [NEEDS_MODEL] else why)


def _by_row(tables: Sequence[pa.Table], row: str) -> pa.Table:
    """All tables in the order of the shard, so that where batches were cut does not show; within a row as they are."""
    filled = [table for table in tables if len(table)] or tables[:1]
    return filled[0] if len(filled) == 1 else pa.concat_tables(filled).sort_by(row)


def _with_quarantined(verdicts: pa.Table, quarantine: pa.Table) -> pa.Table:
    """Verdicts of usable and of quarantined rows, in the order of the shard."""
    if not len(quarantine):
        return verdicts
    count = len(quarantine)
    reasons = [[reason] for reason in quarantine["reason"].to_pylist()]
    columns = [
        quarantine["shard"],
        quarantine["row"],
        quarantine["row_id"],
        pa.array(["quarantine"] * count, pa.large_string()),
        pa.array(["quarantined"] * count, pa.large_string()),
        pa.array(reasons, pa.large_list(pa.large_string())),
    ]
    both = pa.concat_tables([verdicts, pa.Table.from_arrays(columns, schema=verdicts.schema)])
    return both.sort_by("row")
