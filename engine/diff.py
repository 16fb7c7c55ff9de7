"""Two folders over the same input, compared row by row: what was found, what was decided, how rows ended.

Rows are matched by (shard, row): a shard's key is the content of its source, so folders over the same data match
whatever the paths, and rows of data that only one side read are counted apart.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from phrasemill.engine.manifest import Manifest, read_manifest
from phrasemill.engine.query import MEMORY_LIMIT
from phrasemill.schemas.errors import IntegrityError
from phrasemill.schemas.tables import SPANS, VERDICTS

SHOWN: Final = 20
"""Changed rows that a report carries; all of them go to a file on request."""


class Part(BaseModel):
    """A part of a report."""

    model_config = ConfigDict(frozen=True)


class Moved(Part):
    """``rows`` rows that are ``before`` in the first folder and ``after`` in the second."""

    before: str
    after: str
    rows: int


class RuleChange(Part):
    """Hits that count, by rule. ``lost`` and ``gained`` differ in place; ``redecided`` stand, with another action."""

    rule_id: str
    category: str
    before: int
    after: int
    lost: int
    gained: int
    redecided: int


class CategoryChange(Part):
    """Rows with a hit that counts."""

    category: str
    before: int
    after: int


class ChangedRow(Part):
    """A row that differs. ``lost``, ``gained`` and ``redecided`` are ``rule: text``, in reading order."""

    shard: str
    row: int
    row_id: str
    action: tuple[str, str]
    outcome: tuple[str, str]
    lost: tuple[str, ...]
    gained: tuple[str, ...]
    redecided: tuple[str, ...]


class Diff(Part):
    """What differs between two folders. ``rows`` were read by both; moves list only what differs."""

    before: str
    after: str
    rows: int
    only_before: int
    only_after: int
    changed: int
    actions: tuple[Moved, ...]
    outcomes: tuple[Moved, ...]
    categories: tuple[CategoryChange, ...]
    rules: tuple[RuleChange, ...]
    examples: tuple[ChangedRow, ...]


def diff(before: Path, after: Path, *, examples: int = SHOWN, write_to: Path | None = None) -> Diff:
    """Compare two folders. ``write_to``: a Parquet file for every changed row.

    Raises:
        ConfigError: a folder has no manifest. IntegrityError: evidence cannot be read.

    """
    manifests = (read_manifest(before), read_manifest(after))
    with duckdb.connect(config={"memory_limit": MEMORY_LIMIT}) as connection:
        try:
            for side, folder, manifest in zip("ab", (before, after), manifests, strict=True):
                _open(connection, side, folder.resolve(), manifest)
            connection.execute(_PREPARE)
            if write_to is not None:
                _write(connection, write_to)
            return _report(connection, str(before), str(after), examples)
        except duckdb.Error as error:
            raise IntegrityError(
                f"{before}, {after}: the evidence cannot be compared: {error}; see: phrasemill verify"
            ) from error


def _open(connection: duckdb.DuckDBPyConnection, side: str, folder: Path, manifest: Manifest) -> None:
    for table, schema in (("verdicts", VERDICTS), ("spans", SPANS)):
        files = [str(folder / record.path) for record in manifest.files(table)]
        relation = connection.read_parquet(files) if files else connection.from_arrow(schema.empty_table())
        relation.create_view(f"{table}_{side}")


# A hit that counts has no exemption. Where it stands is its identity; its action may differ.
_PREPARE: Final = """
CREATE TEMP TABLE rows AS
SELECT coalesce(a.shard, b.shard) AS shard, coalesce(a.row, b.row) AS row, coalesce(a.row_id, b.row_id) AS row_id,
       a.shard IS NOT NULL AS in_a, b.shard IS NOT NULL AS in_b,
       a.action AS action_a, b.action AS action_b, a.outcome AS outcome_a, b.outcome AS outcome_b
FROM verdicts_a a FULL JOIN verdicts_b b ON a.shard = b.shard AND a.row = b.row;

CREATE TEMP TABLE hits AS
WITH a AS (SELECT *, {nth} AS nth FROM spans_a WHERE exempt IS NULL),
     b AS (SELECT *, {nth} AS nth FROM spans_b WHERE exempt IS NULL)
SELECT coalesce(a.shard, b.shard) AS shard, coalesce(a.row, b.row) AS row, coalesce(a.field, b.field) AS field,
       coalesce(a.turn, b.turn) AS turn, coalesce(a.start, b.start) AS start,
       coalesce(a.rule_id, b.rule_id) AS rule_id, coalesce(a.category, b.category) AS category,
       coalesce(a.text, b.text) AS text,
       CASE WHEN a.shard IS NULL THEN 'gained' WHEN b.shard IS NULL THEN 'lost'
            WHEN a.action IS DISTINCT FROM b.action THEN 'redecided' ELSE 'same' END AS change
FROM a FULL JOIN b ON a.shard = b.shard AND a.row = b.row AND a.field = b.field AND a.turn = b.turn
     AND a.start = b.start AND a.stop = b.stop AND a.rule_id = b.rule_id AND a.nth = b.nth;

CREATE TEMP VIEW both_hits AS SELECT h.* FROM hits h JOIN rows r ON h.shard = r.shard AND h.row = r.row
WHERE r.in_a AND r.in_b;

CREATE TEMP TABLE changed AS
SELECT r.shard, r.row, r.row_id, r.action_a, r.action_b, r.outcome_a, r.outcome_b,
       coalesce(h.lost, []) AS lost, coalesce(h.gained, []) AS gained, coalesce(h.redecided, []) AS redecided
FROM rows r LEFT JOIN (
  SELECT shard, row,
         list(rule_id || ': ' || text ORDER BY field, turn, start) FILTER (change = 'lost') AS lost,
         list(rule_id || ': ' || text ORDER BY field, turn, start) FILTER (change = 'gained') AS gained,
         list(rule_id || ': ' || text ORDER BY field, turn, start) FILTER (change = 'redecided') AS redecided
  FROM hits WHERE change <> 'same' GROUP BY shard, row) h ON r.shard = h.shard AND r.row = h.row
WHERE r.in_a AND r.in_b
  AND (r.action_a <> r.action_b OR r.outcome_a <> r.outcome_b OR h.shard IS NOT NULL);
""".replace("{nth}", "row_number() OVER (PARTITION BY shard, row, field, turn, start, stop, rule_id ORDER BY action)")

_ORDER: Final = "ORDER BY (action_a <> action_b) DESC, (outcome_a <> outcome_b) DESC, shard, row"


def _write(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    reader = connection.sql("FROM changed ORDER BY shard, row").to_arrow_reader()
    with pq.ParquetWriter(path, reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)


def _report(connection: duckdb.DuckDBPyConnection, before: str, after: str, examples: int) -> Diff:
    counts = _rows(
        connection,
        "SELECT count(*) FILTER (in_a AND in_b) AS rows, count(*) FILTER (NOT in_b) AS only_before, "
        "count(*) FILTER (NOT in_a) AS only_after, (SELECT count(*) FROM changed) AS changed FROM rows",
    )[0]
    categories = _rows(
        connection,
        "SELECT category, count(DISTINCT (shard, row)) FILTER (change <> 'gained') AS before, "
        "count(DISTINCT (shard, row)) FILTER (change <> 'lost') AS after "
        "FROM both_hits GROUP BY category ORDER BY category",
    )
    rules = _rows(
        connection,
        "SELECT rule_id, any_value(category) AS category, count(*) FILTER (change <> 'gained') AS before, "
        "count(*) FILTER (change <> 'lost') AS after, count(*) FILTER (change = 'lost') AS lost, "
        "count(*) FILTER (change = 'gained') AS gained, count(*) FILTER (change = 'redecided') AS redecided "
        "FROM both_hits GROUP BY rule_id HAVING count(*) FILTER (change <> 'same') > 0 "
        "ORDER BY count(*) FILTER (change <> 'same') DESC, rule_id",
    )
    shown = _rows(connection, f"FROM changed {_ORDER} LIMIT {examples}")
    return Diff(
        before=before,
        after=after,
        **counts,
        actions=_moves(connection, "action"),
        outcomes=_moves(connection, "outcome"),
        categories=tuple(CategoryChange(**each) for each in categories),
        rules=tuple(RuleChange(**each) for each in rules),
        examples=tuple(_example(each) for each in shown),
    )


def _moves(connection: duckdb.DuckDBPyConnection, column: str) -> tuple[Moved, ...]:
    moves = _rows(
        connection,
        f"SELECT {column}_a AS before, {column}_b AS after, count(*) AS rows FROM rows "
        f"WHERE in_a AND in_b AND {column}_a <> {column}_b GROUP BY ALL ORDER BY rows DESC, before, after",
    )
    return tuple(Moved(**each) for each in moves)


def _example(row: dict[str, Any]) -> ChangedRow:
    return ChangedRow(
        shard=row["shard"],
        row=row["row"],
        row_id=row["row_id"],
        action=(row["action_a"], row["action_b"]),
        outcome=(row["outcome_a"], row["outcome_b"]),
        lost=tuple(row["lost"]),
        gained=tuple(row["gained"]),
        redecided=tuple(row["redecided"]),
    )


def _rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    found: pa.Table = connection.sql(sql).to_arrow_table()
    rows: list[dict[str, Any]] = found.to_pylist()
    return rows
