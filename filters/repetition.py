"""The repetition filter: loops within an answer, openings over too many answers, answers that are nearly another's."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from phrasemill.filters.corpus import CorpusFilter
from phrasemill.filters.exemptions import Exemptions
from phrasemill.filters.hits import Hit
from phrasemill.filters.loops import Loop, find_loops
from phrasemill.filters.near_duplicates import PERMUTATIONS, bands, digests, similarity
from phrasemill.filters.offsets import CodePoints
from phrasemill.filters.openings import openings
from phrasemill.filters.turns import TurnTable
from phrasemill.filters.words import Words, words_of

CATEGORY: Final = "repetition"
LOOP: Final = "repetition.loop"
OPENING: Final = "repetition.opening"
DUPLICATE: Final = "repetition.duplicate"

LEAST_OPENINGS: Final = 20
"""An opening that fewer answers share is never too common, however small the corpus."""

_PLACE: Final = ["shard", "row", "field", "turn"]
_COUNTS: Final = pa.schema(
    [
        ("shard", pa.large_string()),
        ("row", pa.int64()),
        ("field", pa.large_string()),
        ("turn", pa.int32()),
        ("opening", pa.large_string()),
        ("bands", pa.large_list(pa.uint64())),
        ("digest", pa.large_binary()),
    ]
)
_FROZEN: Final = pa.schema(
    [
        ("rule_id", pa.large_string()),
        ("opening", pa.large_string()),
        ("answers", pa.int64()),
        ("kept", pa.int64()),
        ("shard", pa.large_string()),
        ("row", pa.int64()),
        ("field", pa.large_string()),
        ("turn", pa.int32()),
        ("of_shard", pa.large_string()),
        ("of_row", pa.int64()),
        ("similarity", pa.float64()),
    ]
)
_STEP: Final = np.uint64(0x9E37_79B9_7F4A_7C15)


class RepetitionFilter(CorpusFilter, name="repetition"):
    """Loops; openings shared by more than ``opening_share`` of all answers; answers of ``similarity`` to another.

    Of a common opening as many answers as the share allows go unmarked, chosen by their place in the shards. Of
    answers that are alike the first in order of shard key and row goes unmarked.
    """

    opening_share: float = Field(default=0.002, gt=0.0, le=1.0)
    similarity: float = Field(default=0.85, gt=0.5, le=1.0)

    def count(self, turns: TurnTable) -> pa.Table:
        """Opening, bands and digest of every turn."""
        size = len(turns)
        at, matrix = digests(turns.text)
        banded: list[list[int] | None] = [None] * size
        digest: list[bytes | None] = [None] * size
        for index, buckets, row in zip(at.tolist(), bands(matrix).tolist(), matrix, strict=True):
            banded[index] = buckets
            digest[index] = row.tobytes()
        columns = [
            pa.array([turns.shard] * size, pa.large_string()),
            pa.array(_rows(turns)),
            pa.array([turns.field] * size, pa.large_string()),
            pa.array(turns.turn),
            openings(turns.text)["key"].to_arrow().cast(pa.large_string()),
            pa.array(banded, pa.large_list(pa.uint64())),
            pa.array(digest, pa.large_binary()),
        ]
        return pa.Table.from_arrays(columns, schema=_COUNTS)

    def freeze(self, parts: list[Path]) -> pa.Table:
        """Openings that are too common, and every answer that is nearly an earlier one."""
        if not parts:
            return _FROZEN.empty_table()
        counted = pl.scan_parquet(parts, glob=False)
        frozen = pl.concat([self._common_openings(counted), self._twins(counted)], how="diagonal")
        return frozen.select(_FROZEN.names).to_arrow().cast(_FROZEN)

    def _common_openings(self, counted: pl.LazyFrame) -> pl.DataFrame:
        total = int(counted.select(pl.len()).collect().item())
        allowed = max(LEAST_OPENINGS, int(self.opening_share * total))
        return (
            counted.filter(pl.col("opening").is_not_null())
            .group_by("opening")
            .agg(answers=pl.len().cast(pl.Int64))
            .filter(pl.col("answers") > allowed)
            .sort("opening")
            .collect()
            .with_columns(rule_id=pl.lit(OPENING), kept=pl.lit(allowed, pl.Int64), **_nulls("shard", "row", "field"))
            .with_columns(**_nulls("turn", "of_shard", "of_row", "similarity"))
        )

    def _twins(self, counted: pl.LazyFrame) -> pl.DataFrame:
        """Each answer that shares a bucket with an earlier one and is as similar to it as asked for."""
        ranked = counted.filter(pl.col("digest").is_not_null()).sort(_PLACE).with_row_index("rank")
        buckets = ranked.select("rank", "bands").explode("bands", empty_as_null=False, keep_nulls=False)
        pairs = (
            buckets.with_columns(first=pl.col("rank").min().over("bands"))
            .filter(pl.col("first") < pl.col("rank"))
            .select("rank", "first")
            .unique()
            .collect()
        )
        place = ranked.select("rank", *_PLACE, "digest").collect()
        left, right = place[pairs["rank"].to_numpy()], place[pairs["first"].to_numpy()]
        alike = similarity(_matrix(left["digest"]), _matrix(right["digest"])) if len(pairs) else np.zeros(0)
        return (
            left.drop("digest")
            .with_columns(of_shard=right["shard"], of_row=right["row"], similarity=pl.Series(alike, dtype=pl.Float64))
            .with_columns(first=pairs["first"])
            .filter(pl.col("similarity") >= self.similarity)
            .sort("rank", "similarity", "first", descending=[False, True, False])
            .unique("rank", keep="first", maintain_order=True)
            .drop("rank", "first")
            .with_columns(rule_id=pl.lit(DUPLICATE), **_nulls("opening", "answers", "kept"))
        )

    def find_batch(self, turns: TurnTable) -> list[Hit]:
        """Hits of all turns, in order. What the corpus says of a turn needs its place in a shard."""
        index = self.wanted(turns)
        turns = turns.having_role(self.reads())
        hits = list(self._loops(turns))
        if self.statistics is not None and turns.row is not None:
            hits.extend(self._openings(turns))
            hits.extend(self._duplicates(turns))
        return sorted(hit._replace(at=int(index[hit.at])) for hit in hits)

    def _loops(self, turns: TurnTable) -> Iterator[Hit]:
        for words in words_of(turns.text):
            for loop in find_loops(words):
                hit = _loop_hit(turns, words, loop)
                if any(map(str.isalnum, str(turns.text[hit.at])[hit.start : hit.stop])):  # no ruled line
                    yield hit

    def _openings(self, turns: TurnTable) -> Iterator[Hit]:
        common = self._frozen.filter(pl.col("rule_id") == OPENING).select("opening", "answers", "kept")
        if not len(common):
            return
        place = pl.Series(_spread(turns))
        found = (
            openings(turns.text)
            .with_row_index("at")
            .with_columns(place=place)
            .join(common, left_on="key", right_on="opening", maintain_order="left")
            .filter(pl.col("place") % pl.col("answers").cast(pl.UInt64) >= pl.col("kept").cast(pl.UInt64))
        )
        for at, text, stop in found.select("at", "text", "stop").iter_rows():
            yield _hit(at, stop - len(text), stop, OPENING, 1.0, None)

    def _duplicates(self, turns: TurnTable) -> Iterator[Hit]:
        known = self._frozen.filter((pl.col("rule_id") == DUPLICATE) & (pl.col("shard") == turns.shard))
        if not len(known):
            return
        here = pl.DataFrame({"row": _rows(turns), "turn": turns.turn}).with_row_index("at")
        found = here.join(
            known.filter(pl.col("field") == turns.field), on=["row", "turn"], maintain_order="left"
        ).select("at", "similarity")
        for at, alike in found.iter_rows():
            yield self.whole_turn(turns, at, DUPLICATE, CATEGORY, alike)

    @cached_property
    def _frozen(self) -> pl.DataFrame:
        return pl.DataFrame(pl.from_arrow(pq.read_table(self.statistics)))


def _nulls(*names: str) -> dict[str, pl.Expr]:
    types = {"turn": pl.Int32, "similarity": pl.Float64, "shard": pl.String, "field": pl.String, "of_shard": pl.String}
    types |= {"opening": pl.String}
    return {name: pl.lit(None, types.get(name, pl.Int64)) for name in names}


def _matrix(column: pl.Series) -> npt.NDArray[np.uint32]:
    return np.frombuffer(b"".join(column.to_list()), dtype=np.uint32).reshape(-1, PERMUTATIONS)


def _rows(turns: TurnTable) -> npt.NDArray[np.int64]:
    return turns.position if turns.row is None else turns.row


def _spread(turns: TurnTable) -> npt.NDArray[np.uint64]:
    """A number for every turn that its place in the corpus decides, evenly spread."""
    seed = np.uint64(int(turns.shard[:15] or "0", 16))
    mixed = (_rows(turns).astype(np.uint64) * np.uint64(64) + turns.turn.astype(np.uint64) + seed) * _STEP
    mixed ^= mixed >> np.uint64(32)
    mixed *= _STEP
    return mixed ^ (mixed >> np.uint64(29))


def _loop_hit(turns: TurnTable, words: Words, loop: Loop) -> Hit:
    at = words.first + int(np.searchsorted(words.borders, loop.first, side="right")) - 1
    text = str(turns.text[at])
    point = CodePoints(text.encode(), text)
    start, stop = point(int(words.start[loop.first])), point(int(words.stop[loop.stop - 1]))
    exempt = Exemptions(turns.previous_user(at), text).reason(CATEGORY, LOOP, start, stop)
    return _hit(at, start, stop, LOOP, 1.0, exempt)


def _hit(at: int, start: int, stop: int, rule_id: str, score: float, exempt: str | None) -> Hit:
    return Hit(at, start, stop, rule_id, CATEGORY, RepetitionFilter.name, score, None, exempt)
