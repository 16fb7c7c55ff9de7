"""Whether the tables of one shard agree: every row ended once and stands where its outcome says, every span fits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polars as pl
from pydantic import BaseModel, ConfigDict

from phrasemill.engine.catalog import SCHEMAS
from phrasemill.engine.manifest import PUBLISHED, ShardCommit, part_path

TURN: Final = ("row", "field", "turn")

_OWNERS: Final[dict[str, tuple[str, str, str | None]]] = {
    "sft": ("pm_shard", "pm_row", "id"),
    "preference": ("pm_shard", "pm_row", "pm_row_id"),
    "queries": ("pm_shard", "pm_row", None),
    "spans": ("shard", "row", "row_id"),
    "originals": ("shard", "row", "row_id"),
    "generations": ("shard", "row", "row_id"),
    "quarantine": ("shard", "row", "row_id"),
}
"""The columns in which a table says where a row comes from: shard, row and, where it has one, the row's id."""


class Problem(BaseModel):
    """One thing that is wrong. ``shard`` is empty where it concerns the whole folder; ``path`` is relative."""

    model_config = ConfigDict(frozen=True)

    shard: str
    path: str
    message: str


def check_evidence(out: Path, commit: ShardCommit, has_sft: bool, sampled: bool) -> Iterator[Problem]:
    """Find the problems of a shard whose files are whole.

    ``has_sft``: published rows stand in SFT data. ``sampled``: only some rows of the shard were read.
    """
    shard = _Shard(out, commit)
    verdicts = shard.read("verdicts", "shard", "row", "row_id", "outcome")
    for table, message in (
        *_verdict_problems(commit, verdicts, sampled),
        *_owner_problems(shard, verdicts),
        *_place_problems(shard, verdicts, has_sft),
        *_pair_problems(shard, verdicts),
        *_span_problems(shard, verdicts),
        *_request_problems(shard, verdicts),
    ):
        yield Problem(shard=commit.key, path=part_path(table, commit.key), message=message)


class _Shard:
    """The tables of one shard."""

    def __init__(self, out: Path, commit: ShardCommit) -> None:
        self.out = out
        self.commit = commit

    def read(self, table: str, *columns: str) -> pl.DataFrame:
        """Read these columns of a table; no row where the shard has no file of it."""
        paths = [self.out / file.path for file in self.commit.files if file.table == table]
        if paths:
            return pl.read_parquet(paths, columns=list(columns), glob=False)
        empty = pl.from_arrow(SCHEMAS[table].empty_table())
        assert isinstance(empty, pl.DataFrame)
        return empty.select(columns)


def _verdict_problems(commit: ShardCommit, verdicts: pl.DataFrame, sampled: bool) -> Iterator[tuple[str, str]]:
    if verdicts.height != commit.rows_in:
        yield "verdicts", f"has {verdicts.height} verdicts, expected one for each of {commit.rows_in} rows"
    strangers = verdicts.filter(pl.col("shard") != commit.key).height
    if strangers:
        yield "verdicts", f"has {strangers} verdicts of other shards"
    repeated = verdicts.filter(pl.col("row").is_duplicated())
    if repeated.height:
        yield "verdicts", f"has more than one verdict for {_rows(repeated['row'])}"
    outside = verdicts.filter((pl.col("row") < 0) | (pl.lit(not sampled) & (pl.col("row") >= commit.rows_in)))
    if outside.height:
        yield "verdicts", f"has verdicts outside the {commit.rows_in} rows of the shard: {_rows(outside['row'])}"
    counted = _counts(verdicts["outcome"])
    if counted != _nonzero(commit.outcomes):
        yield "verdicts", f"has the outcomes {_listed(counted)}, expected {_listed(_nonzero(commit.outcomes))}"


def _owner_problems(shard: _Shard, verdicts: pl.DataFrame) -> Iterator[tuple[str, str]]:
    """Rows that name another shard, or another row's id, than the place where they stand."""
    named = verdicts.select("row", pl.col("row_id").alias("named"))
    for table, (key, row, row_id) in _OWNERS.items():
        found = shard.read(table, *(name for name in (key, row, row_id) if name is not None))
        strangers = found.filter((pl.col(key) != shard.commit.key).fill_null(True))
        if strangers.height:
            yield table, f"has {strangers.height} rows of other shards"
        if row_id is not None:
            joined = found.join(named, left_on=row, right_on="row", how="inner")
            wrong = joined.filter(~pl.col(row_id).eq_missing(pl.col("named")))
            if wrong.height:
                yield table, f"has another id than its verdict: {_rows(wrong[row])}"


def _place_problems(shard: _Shard, verdicts: pl.DataFrame, has_sft: bool) -> Iterator[tuple[str, str]]:
    """Rows that stand in published data or in quarantine and should not, or the other way round."""
    published = verdicts.filter(pl.col("outcome").is_in(PUBLISHED))["row"]
    asked = shard.read("queries", "id", "pm_row")
    if asked.height:
        # One row may have made several questions, and the same question only once.
        yield from _same_rows("queries", asked["pm_row"].unique(), published, "kept, repaired or regenerated")
        repeated = asked.filter(pl.col("id").is_duplicated())
        if repeated.height:
            yield "queries", f"has the same question more than once: {_rows(repeated['pm_row'])}"
    elif has_sft:
        yield from _same_rows("sft", shard.read("sft", "pm_row")["pm_row"], published, "kept, repaired or regenerated")
    quarantined = verdicts.filter(pl.col("outcome") == "quarantined")["row"]
    yield from _same_rows("quarantine", shard.read("quarantine", "row")["row"], quarantined, "quarantined")


def _pair_problems(shard: _Shard, verdicts: pl.DataFrame) -> Iterator[tuple[str, str]]:
    published = verdicts.filter(pl.col("outcome").is_in(PUBLISHED))["row"]
    pairs = shard.read("preference", "id", "pm_row", "pm_kind")
    outside = pairs.filter(~pl.col("pm_row").is_in(published.implode()))
    if outside.height:
        yield "preference", f"has pairs of rows that are not published: {_rows(outside['pm_row'])}"
    repeated = pairs.filter(pl.col("id").is_duplicated())
    if repeated.height:
        yield "preference", f"has the same pair more than once: {_rows(repeated['pm_row'])}"
    kinds = _counts(pairs["pm_kind"])
    if kinds != _nonzero(shard.commit.pairs):
        yield "preference", f"has the pairs {_listed(kinds)}, expected {_listed(_nonzero(shard.commit.pairs))}"


def _same_rows(table: str, found: pl.Series, expected: pl.Series, outcome: str) -> Iterator[tuple[str, str]]:
    repeated = found.filter(found.is_duplicated())
    if repeated.len():
        yield table, f"has more than once {_rows(repeated)}"
    extra = found.filter(~found.is_in(expected.implode()))
    if extra.len():
        yield table, f"has what was not {outcome}: {_rows(extra)}"
    lost = expected.filter(~expected.is_in(found.implode()))
    if lost.len():
        yield table, f"lacks what was {outcome}: {_rows(lost)}"


def _span_problems(shard: _Shard, verdicts: pl.DataFrame) -> Iterator[tuple[str, str]]:
    originals = shard.read("originals", *TURN, "text").rename({"text": "original"})
    spans = shard.read("spans", *TURN, "category", "start", "stop", "text", "cut_start", "cut_stop")
    twice = originals.filter(pl.struct(TURN).is_duplicated())
    if twice.height:
        yield "originals", f"has the same turn twice in {_rows(twice['row'])}"
        return
    counted = _counts(spans["category"])
    expected = _nonzero({name: count.spans + count.exempt for name, count in shard.commit.hits.items()})
    if counted != expected:
        yield "spans", f"has the hits {_listed(counted)}, expected {_listed(expected)}"
    for table, frame in (("originals", originals), ("spans", spans)):
        unknown = frame.join(verdicts, on="row", how="anti")
        if unknown.height:
            yield table, f"has rows without a verdict: {_rows(unknown['row'])}"
    joined = spans.join(originals, on=TURN, how="left")
    lost = joined.filter(pl.col("original").is_null())
    if lost.height:
        yield "spans", f"has {lost.height} spans in turns that originals lacks: {_rows(lost['row'])}"
    # Polars counts characters as we do: code points.
    cut = pl.col("original").str.slice(pl.col("start"), pl.col("stop") - pl.col("start"))
    length = pl.col("original").str.len_chars()
    wrong = joined.filter(
        pl.col("original").is_not_null()
        & ((pl.col("start") < 0) | (pl.col("stop") < pl.col("start")) | (cut != pl.col("text")).fill_null(True))
    )
    if wrong.height:
        yield "spans", f"has {wrong.height} spans whose text is not the cut of the original: {_rows(wrong['row'])}"
    outside = joined.filter(
        (pl.col("cut_start") < 0) | (pl.col("cut_stop") < pl.col("cut_start")) | (pl.col("cut_stop") > length)
    )
    if outside.height:
        yield "spans", f"has {outside.height} spans that cut outside their turn: {_rows(outside['row'])}"


def _request_problems(shard: _Shard, verdicts: pl.DataFrame) -> Iterator[tuple[str, str]]:
    requests = shard.read("generations", "row", "outcome")
    counted = _counts(requests["outcome"])
    if counted != _nonzero(shard.commit.requests):
        yield "generations", f"has the requests {_listed(counted)}, expected {_listed(_nonzero(shard.commit.requests))}"
    accepted = requests.filter(pl.col("outcome") == "accepted")
    regenerated = verdicts.filter(pl.col("outcome") == "regenerated")
    unproved = regenerated.join(accepted, on="row", how="anti")
    if unproved.height:
        yield "generations", f"has no accepted answer for what was regenerated: {_rows(unproved['row'])}"


def _counts(names: pl.Series) -> dict[str, int]:
    return dict(sorted(names.value_counts().iter_rows()))


def _nonzero(counts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in sorted(counts.items()) if count}


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def _rows(rows: pl.Series) -> str:
    """How many rows, and the first three, for a message."""
    distinct = rows.unique().sort()
    first = ", ".join(map(str, distinct.head(3)))
    return f"row {first}" if distinct.len() == 1 else f"{distinct.len()} rows ({first}{', ...' * (distinct.len() > 3)})"
