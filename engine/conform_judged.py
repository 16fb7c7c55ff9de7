"""What a judge said of a folder's rows, by statement: ``phrasemill judge run`` wrote it, here it is summed up.

Only verdicts on published text count; those on rejected sides are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from blake3 import blake3

from phrasemill.engine.conform_model import LEVEL, Agreement, CrossMean, Judged, Measure, ScoredRow
from phrasemill.engine.judge_report import load_judged
from phrasemill.engine.shards import plan_input
from phrasemill.generators.judging.intervals import bootstrap_mean, wilson
from phrasemill.schemas.config import InputConfig
from phrasemill.schemas.errors import ConfigError, IntegrityError
from phrasemill.schemas.tables import JUDGEMENTS

WORST: Final = 10
"""Rows of the lowest scores that are shown of each statement."""

_SHOWN_CHARACTERS: Final = 160


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Verdicts on rows of one folder.

    ``scores``: judged_by, rows_of, prompt, score; a line an answer that has a score. ``prompt`` is a hash of what was
    said before it, without a system message.
    ``statements`` and ``agreements`` by trait id, of all under ``""``; ``judges``: names of the models that judged.
    """

    scores: pl.DataFrame
    statements: Mapping[str, Judged]
    agreements: Mapping[str, Agreement]
    judges: tuple[str, ...]

    def own(self, judged_by: str) -> pl.DataFrame:
        """The scores that stand for a statement: of its own rows, or of all where none of those was judged."""
        by = self.scores.filter(pl.col("judged_by") == judged_by)
        own = by.filter(pl.col("rows_of") == judged_by)
        return by if own.is_empty() else own

    def cross(self) -> tuple[CrossMean, ...]:
        """Means of rows of one trait under the judgement of another."""
        across = self.scores.filter(pl.col("rows_of") != pl.col("judged_by"))
        means = across.group_by("rows_of", "judged_by").agg(pl.len().alias("n"), pl.col("score").mean().alias("mean"))
        lines = means.sort("judged_by", "rows_of").select("rows_of", "judged_by", "n", "mean").iter_rows()
        return tuple(CrossMean(rows_of=a, judged_by=b, n=n, mean=round(mean, 4)) for a, b, n, mean in lines)


def read_verdicts(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[Path],
    judged: Sequence[Path],
    hashes: Mapping[str, str],
    threshold: float,
) -> Verdicts:
    """The verdicts in ``judged`` on the rows of the view ``published`` under the traits of ``hashes``.

    ``files``: those that ``published`` reads.

    Raises:
        ConfigError: no finished folder of a judge, none of its verdicts is on a row of this folder, or a row has two
            verdicts, which would make its intervals narrower than they are.
        IntegrityError: its files cannot be read.
    """
    judges = tuple(sorted({load_judged(folder).model for folder in judged}))
    parts = [str(path) for folder in judged for path in sorted((folder / "judgements").glob("part-*.parquet"))]
    named = ", ".join(map(str, judged))
    try:
        relation = connection.read_parquet(parts) if parts else connection.from_arrow(JUDGEMENTS.empty_table())
        relation.create_view("judgements", replace=True)
        connection.register("current_hashes", pa.table({"id": list(hashes), "hash": list(hashes.values())}, _HASHES))
        connection.register("places", _places(files))
        connection.execute(_PREPARE)
        _check_once(connection, named)
        _check_rows(connection, named)
        scores = _frame(connection, _SCORES)
        return Verdicts(scores, _statements(connection, scores, threshold), _agreements(connection), judges)
    except duckdb.Error as error:
        raise IntegrityError(f"{named}: the verdicts cannot be read: {error}") from error


def _places(files: Sequence[Path]) -> pa.Table:
    """Where the shards begin that a judge saw: it read the published files as an input, and cut and named them so."""
    places: list[dict[str, object]] = []
    if any(pq.read_metadata(path).num_rows for path in files):
        for shard in plan_input(InputConfig(path=tuple(map(str, files)))).shards:
            footer = pq.read_metadata(shard.path)
            first = sum(footer.row_group(group).num_rows for group in range(shard.start))
            places.append({"shard": shard.key, "file": Path(shard.path).name, "first": first})
    return pa.Table.from_pylist(places, schema=_PLACES)


_HASHES: Final = pa.schema([("id", pa.string()), ("hash", pa.string())])
_PLACES: Final = pa.schema([("shard", pa.string()), ("file", pa.string()), ("first", pa.int64())])

# What was said before an answer, and the answer, are read from the folder once; verdicts are kept as numbers only.
_PREPARE: Final = f"""
CREATE OR REPLACE TEMP TABLE judged_places AS
SELECT DISTINCT j.shard AS seen_shard, j.row AS seen_row, coalesce(j.turn, -1) AS turn, l.file, l.first + j.row AS place
FROM judgements j JOIN places l ON l.shard = j.shard WHERE j.method = 'pointwise' AND j.field <> 'rejected';

CREATE OR REPLACE TEMP TABLE answers AS
WITH found AS (SELECT k.seen_shard, k.seen_row, k.turn, p.shard, p.row, p.row_id, coalesce(p.trait_id, '') AS rows_of,
    p.messages, if(k.turn < 0, len(p.messages) - 1, k.turn + p.shift) AS before
  FROM published p JOIN judged_places k ON p.file = k.file AND p.place = k.place)
SELECT seen_shard, seen_row, turn, shard, row, row_id, rows_of,
  md5_number_lower(CAST([m FOR m IN messages[1:before] IF m.role <> 'system'] AS VARCHAR)) AS prompt,
  left(coalesce(messages[before + 1].content, ''), {_SHOWN_CHARACTERS}) AS text,
  row_number() OVER (ORDER BY shard, row, seen_shard, seen_row, turn) AS answer
FROM found;

CREATE OR REPLACE TEMP TABLE verdicts_on AS
SELECT j.trait_id AS judged_by, a.answer, a.rows_of, a.prompt, j.score, j.label,
  j.trait_hash IS DISTINCT FROM c.hash AS other_version
FROM judgements j JOIN current_hashes c ON c.id = j.trait_id
LEFT JOIN answers a ON a.seen_shard = j.shard AND a.seen_row = j.row AND a.turn = coalesce(j.turn, -1)
WHERE j.method = 'pointwise' AND j.field <> 'rejected';

CREATE OR REPLACE TEMP TABLE with_own AS
SELECT DISTINCT judged_by FROM verdicts_on WHERE rows_of = judged_by;

CREATE OR REPLACE TEMP VIEW counted AS FROM verdicts_on
WHERE answer IS NOT NULL AND (rows_of = judged_by OR judged_by NOT IN (FROM with_own));
"""

_SCORES: Final = """
SELECT judged_by, rows_of, prompt, score::DOUBLE AS score FROM verdicts_on
WHERE answer IS NOT NULL AND label = 'scored' AND score IS NOT NULL ORDER BY judged_by, rows_of, prompt, score
"""

_SUMS: Final = """
SELECT judged_by, bool_or(rows_of = judged_by) AS own,
  count(*) FILTER (label = 'scored' AND score IS NOT NULL) AS n, count(*) FILTER (label = 'refusal') AS refusals,
  count(*) FILTER (label NOT IN ('scored', 'refusal') OR label = 'scored' AND score IS NULL) AS invalid,
  count(*) FILTER (other_version) AS other_version,
  count(*) FILTER (label = 'scored' AND score >= ?) AS passed
FROM counted GROUP BY judged_by ORDER BY judged_by
"""

_WORST: Final = f"""
WITH lowest AS (SELECT judged_by, answer, score::DOUBLE AS score FROM counted
  WHERE label = 'scored' AND score IS NOT NULL
  QUALIFY row_number() OVER (PARTITION BY judged_by ORDER BY score, answer) <= {WORST})
SELECT judged_by, row_id, shard, row, turn, score, text FROM lowest JOIN answers USING (answer)
ORDER BY judged_by, score, answer
"""

_PAIRWISE: Final = """
SELECT coalesce(trait_id, '') AS trait_id, count(*) AS comparisons, count(*) FILTER (label = 'first') AS chosen,
  count(*) FILTER (label = 'second') AS rejected, count(*) FILTER (label = 'tie') AS ties,
  count(*) FILTER (label = 'inconsistent') AS inconsistent
FROM judgements JOIN current_hashes ON id = trait_id WHERE method = 'pairwise'
GROUP BY GROUPING SETS ((trait_id), ()) ORDER BY trait_id
"""


_TWICE: Final = """
SELECT row_id, trait_id FROM judgements GROUP BY shard, row, row_id, field, turn, trait_id, method
HAVING count(*) > 1 ORDER BY row_id, trait_id LIMIT 1
"""


def _check_once(connection: duckdb.DuckDBPyConnection, judged: str) -> None:
    for row_id, trait_id in _frame(connection, _TWICE).iter_rows():
        raise ConfigError(
            f"--judged {judged}: row {row_id!r} was judged twice under {trait_id!r}, expected once; name one folder of "
            "single answers and one of pairs"
        )


def _check_rows(connection: duckdb.DuckDBPyConnection, judged: str) -> None:
    found = _frame(connection, "SELECT count(*) AS verdicts, count(answer) AS here FROM verdicts_on")
    verdicts, here = found.row(0)
    if verdicts and not here:
        raise ConfigError(
            f"{judged}: got {verdicts:,} verdicts, none of them on a published row of this folder; was another folder "
            "judged? run phrasemill judge run on this one"
        )


def _statements(connection: duckdb.DuckDBPyConnection, scores: pl.DataFrame, threshold: float) -> dict[str, Judged]:
    worst: dict[str, list[ScoredRow]] = {}
    for line in _frame(connection, _WORST).iter_rows(named=True):
        worst.setdefault(line.pop("judged_by"), []).append(ScoredRow(**line))
    found: dict[str, Judged] = {}
    by_trait = scores.partition_by("judged_by", as_dict=True)
    for line in _frame(connection, _SUMS, [threshold]).iter_rows(named=True):
        name, n, every = line["judged_by"], line["n"], line["n"] + line["refusals"] + line["invalid"]
        of = by_trait.get((name,), scores.clear())
        mine = of.filter(pl.col("rows_of") == name) if line["own"] else of
        found[name] = Judged(
            rows_of="own" if line["own"] else "all",
            n=n,
            refusals=line["refusals"],
            invalid=line["invalid"],
            other_version=line["other_version"],
            mean=mean_of(mine["score"], name),
            passed=line["passed"],
            pass_rate=share_of(line["passed"], n),
            refusal_share=line["refusals"] / (n + line["refusals"]) if n + line["refusals"] else None,
            invalid_share=line["invalid"] / every if every else None,
            worst=tuple(worst.get(name, ())),
        )
    return found


def _agreements(connection: duckdb.DuckDBPyConnection) -> dict[str, Agreement]:
    """Pairwise verdicts by trait, and of all under ``""``."""
    found: dict[str, Agreement] = {}
    for line in _frame(connection, _PAIRWISE).iter_rows(named=True):
        name, every, split = line["trait_id"], line["comparisons"], line["inconsistent"]
        agreed = line["chosen"] + line["rejected"] + line["ties"]
        if every:
            found[name] = Agreement(
                comparisons=every,
                chosen=line["chosen"],
                rejected=line["rejected"],
                ties=line["ties"],
                inconsistent=split,
                invalid=every - agreed - split,
                consistency=share_of(agreed, agreed + split),
                win_rate=share_of(line["chosen"], line["chosen"] + line["rejected"]),
            )
    return found


def mean_of(scores: pl.Series, name: str) -> Measure | None:
    """The mean with its bootstrap interval; ``name`` seeds it, so that it does not hang on what else is measured."""
    if scores.is_empty():
        return None
    low, high = bootstrap_mean(scores.to_numpy(), seed_of(name), LEVEL)
    return Measure(value=_round(scores.mean()), low=_round(low), high=_round(high))


def share_of(part: int, of: int) -> Measure | None:
    """The share with its Wilson interval; None of nothing."""
    if not of:
        return None
    low, high = wilson(part, of, LEVEL)
    return Measure(value=part / of, low=low, high=high)


def seed_of(name: str) -> int:
    """A seed made of a name."""
    return int.from_bytes(blake3(name.encode()).digest(length=4), "big")


def _frame(connection: duckdb.DuckDBPyConnection, sql: str, values: Sequence[object] = ()) -> pl.DataFrame:
    found = pl.from_arrow(connection.sql(sql, params=list(values)).to_arrow_table())
    return found if isinstance(found, pl.DataFrame) else found.to_frame()


def _round(value: Any) -> float:
    """Four decimals: sums of floats differ in the last ones from machine to machine."""
    return round(float(value), 4)
