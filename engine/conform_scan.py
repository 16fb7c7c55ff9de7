"""One pass over published text: rows, words and hits by statement and category, in batches, part file by part file.

Everything is a count under a key ``(of, what, name)``; ``of`` is a trait's id, or ``*`` for all rows. Counts of part
files are added up, in whatever order they come.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from phrasemill.engine.columns import constant, single
from phrasemill.engine.conform_model import WHOLE
from phrasemill.engine.conform_phrases import count_phrases
from phrasemill.engine.conform_touch import Anchors, touched
from phrasemill.engine.judge_turns import Judge
from phrasemill.engine.shard_job import load_filters
from phrasemill.filters.turns import TurnTable, turn_table
from phrasemill.schemas.config import RunConfig
from phrasemill.schemas.errors import IntegrityError
from phrasemill.schemas.policy import Policy
from phrasemill.schemas.tables import MESSAGES
from phrasemill.schemas.trait import Trait

Side = Literal["messages", "chosen", "rejected"]
Counts: TypeAlias = "Counter[tuple[str, str, str]]"

BATCH_ROWS: Final = 2048
"""Rows in memory at a time."""

_ASSISTANT: Final = pa.array(["assistant"], pa.large_string())


@dataclass(frozen=True, slots=True)
class Target:
    """What text is read for. ``hashes``: of each trait as it is now; ``rowless``: prompts of those without own rows."""

    traits: tuple[Trait, ...]
    hashes: Mapping[str, str]
    rowless: Anchors
    config: RunConfig

    def allowed(self) -> dict[str, frozenset[str]]:
        """Rule ids and categories that rows of a trait may break."""
        return {trait.id: frozenset(trait.phrases.allow) for trait in self.traits if trait.phrases.allow}


@dataclass(frozen=True, slots=True)
class PartJob:
    """A part file, and which of its columns is read: ``messages`` of SFT rows, or a side of pairs."""

    path: Path
    side: Side
    target: Target


def scan_part(job: PartJob) -> Counts:
    """Counts of one part file.

    ``rows``, ``other_version``, ``words``, ``hits``, ``rows_hit`` of each trait; ``category`` by category (rows);
    ``phrase_hits`` and ``phrase_rows`` by phrase; ``probe_rows`` and ``near_rows``; under ``*`` also ``trait``, rows by
    trait id.

    Raises:
        IntegrityError: the file cannot be read.
    """
    judge = Judge(load_filters(job.target.config), Policy())
    counts: Counts = Counter()
    try:
        for table in _batches(job):
            counts.update(_count(table, job, judge))
    except (OSError, pa.ArrowException) as error:
        raise IntegrityError(f"{job.path}: cannot be read: {error}; see: phrasemill verify") from error
    return counts


def _batches(job: PartJob) -> Iterator[pa.Table]:
    with pq.ParquetFile(job.path, page_checksum_verification=True) as file:
        optional = ("pm_trait_id", "pm_trait_hash", "pm_shard", "pm_row")
        texts = ("messages",) if job.side == "messages" else ("prompt", job.side)
        present = [name for name in (*texts, *optional) if name in file.schema_arrow.names]
        for batch in file.iter_batches(BATCH_ROWS, columns=present):
            yield pa.Table.from_batches([batch])


def _count(table: pa.Table, job: PartJob, judge: Judge) -> Counts:
    turns = _turns(table, job.side)
    spoken = turns.having_role(("assistant",))
    words = pc.count_substring_regex(spoken.text, r"\S+").to_numpy(zero_copy_only=False)
    rows = pl.DataFrame(
        {
            "at": np.arange(len(table), dtype=np.uint32),
            "trait": _column(table, "pm_trait_id"),
            "hash": _column(table, "pm_trait_hash"),
            "words": np.bincount(spoken.position, weights=words, minlength=len(table)).astype(np.int64),
        }
    )
    hits = _hits(turns.having_role(judge.roles), judge, rows["trait"], job.target)
    counts = _whole(rows, hits)
    own = rows.filter(pl.col("trait").is_in(list(job.target.hashes))).select("at", "trait")
    members = own
    if job.side != "rejected":
        probes, near = touched(_prompts(turns, len(table)), job.target.rowless)
        members = pl.concat([own, probes])
        counts.update(_by_trait(own, "rows"))
        counts.update(_by_trait(probes, "probe_rows"))
        counts.update(_by_trait(near, "near_rows"))
        counts.update(_by_trait(_other_version(rows, job.target), "other_version"))
        counts.update(count_phrases(spoken, rows["trait"], job.target.traits))
    counts.update(_measured(members, rows, hits))
    return counts


def _turns(table: pa.Table, side: Side) -> TurnTable:
    before = None if side == "messages" else single(table, "prompt").cast(MESSAGES)
    turns = turn_table(side, single(table, side).cast(MESSAGES), before)
    shards = table["pm_shard"].unique().to_pylist() if "pm_shard" in table.column_names else []
    # A part file is of one shard; what a filter knows of the corpus is known by place.
    return turns.in_shard(shards[0], single(table, "pm_row")) if len(shards) == 1 and shards[0] else turns


def _column(table: pa.Table, name: str) -> pl.Series:
    found = single(table, name) if name in table.column_names else constant(None, len(table))
    return pl.Series(name, pl.from_arrow(found), dtype=pl.String)


def _hits(turns: TurnTable, judge: Judge, trait: pl.Series, target: Target) -> pl.DataFrame:
    """(at, category) of the hits that count, those that the row's own trait allows left out."""
    allowed = target.allowed()
    places: list[int] = []
    categories: list[str] = []
    for turn, hits in judge.find(turns).items():
        at = int(turns.position[turn])
        free = allowed.get(trait[at] or "", frozenset())
        counted = [hit.category for hit in hits if hit.exempt is None and not free & {hit.category, hit.rule_id}]
        places.extend([at] * len(counted))
        categories.extend(counted)
    return pl.DataFrame({"at": places, "category": categories}, schema={"at": pl.UInt32, "category": pl.String})


def _prompts(turns: TurnTable, count: int) -> pl.Series:
    """The last user turn of each row, empty where it has none."""
    answers = pc.is_in(turns.role, value_set=_ASSISTANT).to_numpy(zero_copy_only=False)
    last = np.full(count, -1, dtype=np.int64)
    last[turns.position[answers]] = turns.previous[answers]
    found = turns.prompts.take(pa.array(last, mask=last < 0))
    return pl.Series("text", pl.from_arrow(found), dtype=pl.String).fill_null("")


def _whole(rows: pl.DataFrame, hits: pl.DataFrame) -> Counts:
    counts: Counts = Counter(
        {
            (WHOLE, "rows", ""): len(rows),
            (WHOLE, "words", ""): int(rows["words"].sum()),
            (WHOLE, "hits", ""): len(hits),
            (WHOLE, "rows_hit", ""): hits["at"].n_unique(),
        }
    )
    for category, count in hits.group_by("category").agg(pl.col("at").n_unique()).iter_rows():
        counts[WHOLE, "category", category] = count
    for trait, count in rows.drop_nulls("trait").group_by("trait").len().iter_rows():
        counts[WHOLE, "trait", trait] = count
    return counts


def _measured(members: pl.DataFrame, rows: pl.DataFrame, hits: pl.DataFrame) -> Counts:
    """Rows, words and hits of every trait's members: (at, trait)."""
    per_row = hits.group_by("at").len("hits")
    joined = members.join(rows.select("at", "words"), on="at").join(per_row, on="at", how="left")
    sums = joined.group_by("trait").agg(
        pl.len().alias("measured"),
        pl.col("words").sum(),
        pl.col("hits").sum(),
        pl.col("hits").is_not_null().sum().alias("rows_hit"),
    )
    names = ("measured", "words", "hits", "rows_hit")
    return Counter(
        {
            (trait, name, ""): int(value)
            for trait, *values in sums.select("trait", *names).iter_rows()
            for name, value in zip(names, values, strict=True)
        }
    )


def _by_trait(members: pl.DataFrame, name: str) -> Counts:
    return Counter({(trait, name, ""): count for trait, count in members.group_by("trait").len().iter_rows()})


def _other_version(rows: pl.DataFrame, target: Target) -> pl.DataFrame:
    now = pl.DataFrame(
        {"trait": list(target.hashes), "now": list(target.hashes.values())},
        schema={"trait": pl.String, "now": pl.String},
    )
    return rows.join(now, on="trait").filter(pl.col("hash") != pl.col("now")).select("at", "trait")


def added(parts: Sequence[Counts]) -> Counts:
    """The sum of all parts."""
    total: Counts = Counter()
    for part in parts:
        total.update(part)
    return total
