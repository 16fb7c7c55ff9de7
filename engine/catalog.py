"""``catalog.sql``: DuckDB views over exactly the files that the manifest lists, and the common questions as views."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pyarrow as pa

from phrasemill.engine.manifest import TABLES, Manifest, write_atomic
from phrasemill.engine.pairs import PREFERENCE
from phrasemill.engine.sft import sft_schema
from phrasemill.schemas import tables

CATALOG_NAME: Final = "catalog.sql"

SCHEMAS: Final[dict[str, pa.Schema]] = {
    "sft": sft_schema(pa.schema([])),
    "preference": PREFERENCE,
    "queries": tables.QUERIES,
    "spans": tables.SPANS,
    "originals": tables.ORIGINALS,
    "verdicts": tables.VERDICTS,
    "generations": tables.GENERATIONS,
    "quarantine": tables.QUARANTINE,
}
"""The columns that the files of each table have at least."""

# Letters and digits are kept as they are; what surrounds an opener (emphasis, punctuation, white space) is not part of
# what it says, and a curly apostrophe says the same as a straight one.
_SAID: Final = (
    "regexp_replace(regexp_replace(replace(lower(text), '\u2019', ''''), '\\s+', ' ', 'g'), "
    "'^[^\\p{L}\\p{N}]+|[^\\p{L}\\p{N}]+$', '', 'g')"
)

_QUESTIONS: Final[dict[str, tuple[str, str]]] = {
    "openers": (
        "The opening tics that count, the commonest first. share: of all rows read.",
        f"""WITH said AS (SELECT shard, row, coalesce(nullif({_SAID}, ''), text) AS opener FROM spans
    WHERE category = 'opener' AND exempt IS NULL)
SELECT opener, count(DISTINCT (shard, row)) AS rows, count(*) AS spans,
    count(DISTINCT (shard, row)) / nullif((SELECT count(*) FROM verdicts), 0) AS share
FROM said GROUP BY opener ORDER BY rows DESC, opener""",
    ),
    "hits_by_rule": (
        "Hits by rule: spans and rows that count, hits that the text itself excuses, hits that were acted on.",
        """SELECT rule_id, category, count(DISTINCT (shard, row)) FILTER (exempt IS NULL) AS rows,
    count(*) FILTER (exempt IS NULL) AS spans, count(*) FILTER (exempt IS NOT NULL) AS exempt,
    count(*) FILTER (action <> 'tag') AS acted
FROM spans GROUP BY rule_id, category ORDER BY spans DESC, rule_id""",
    ),
    "hits_by_category": (
        "Hits by category.",
        """SELECT category, count(DISTINCT (shard, row)) FILTER (exempt IS NULL) AS rows,
    count(*) FILTER (exempt IS NULL) AS spans, count(*) FILTER (exempt IS NOT NULL) AS exempt,
    count(*) FILTER (action <> 'tag') AS acted
FROM spans GROUP BY category ORDER BY spans DESC, category""",
    ),
    "before_after": (
        "Every turn that was changed: its text before and after. mended is null where the turn was cut off.",
        """WITH found AS (SELECT shard, row, field, turn, list_sort(list(DISTINCT rule_id)) AS rule_ids FROM spans
    WHERE exempt IS NULL GROUP BY shard, row, field, turn),
turns AS (SELECT o.*, f.rule_ids, v.outcome, s.pm_trait_id AS trait_id,
    CASE o.field WHEN 'messages' THEN s.messages[o.turn + 1].content ELSE p.chosen[o.turn + 1].content END AS mended
    FROM originals o JOIN verdicts v USING (shard, row)
    LEFT JOIN found f USING (shard, row, field, turn)
    JOIN sft s ON s.pm_shard = o.shard AND s.pm_row = o.row
    LEFT JOIN (FROM preference WHERE pm_kind = 'input') p ON p.pm_shard = o.shard AND p.pm_row = o.row
    WHERE v.outcome IN ('repaired', 'regenerated')
    AND (o.field = 'messages' OR o.field = 'chosen' AND p.id IS NOT NULL))
SELECT row_id, shard, row, field, turn, rule_ids, text AS original, mended, trait_id, outcome
FROM turns WHERE text IS DISTINCT FROM mended ORDER BY shard, row, field, turn""",
    ),
    "regenerated": (
        "Every turn that a model wrote anew, with its original and the trait that it was written under.",
        """WITH accepted AS (SELECT * FROM generations WHERE outcome = 'accepted' AND recipe = 'regenerate'
    QUALIFY row_number() OVER (PARTITION BY shard, row, field, turn ORDER BY attempt DESC) = 1)
SELECT g.row_id, g.shard, g.row, g.field, g.turn, g.trait_id AS pm_trait_id, o.text AS original,
    g.text AS regenerated, g.attempt, g.backend, g.model, g.completion_tokens
FROM accepted g JOIN verdicts v USING (shard, row) LEFT JOIN originals o USING (shard, row, field, turn)
WHERE v.outcome = 'regenerated' ORDER BY g.shard, g.row, g.turn""",
    ),
    "pairs_by_rule": (
        "Preference pairs by rule and kind. A pair of several rules counts once under each.",
        """WITH named AS (SELECT unnest(string_split(pm_reason, ',')) AS rule_id, pm_kind, pm_length_ratio
    FROM preference)
SELECT rule_id, pm_kind, count(*) AS pairs, avg(pm_length_ratio) AS mean_length_ratio
FROM named GROUP BY rule_id, pm_kind ORDER BY pairs DESC, rule_id, pm_kind""",
    ),
    "ledger": (
        "Rows in by outcome, a line a shard and one for all; holds: every row ended exactly once.",
        """WITH ended AS (SELECT shard, count(*) AS verdicts,
    count(*) FILTER (outcome = 'kept') AS kept, count(*) FILTER (outcome = 'repaired') AS repaired,
    count(*) FILTER (outcome = 'regenerated') AS regenerated, count(*) FILTER (outcome = 'dropped') AS dropped,
    count(*) FILTER (outcome = 'quarantined') AS quarantined
    FROM verdicts GROUP BY shard),
counted AS (SELECT s.shard, s.source, s.rows_in, coalesce(kept, 0) AS kept, coalesce(repaired, 0) AS repaired,
    coalesce(regenerated, 0) AS regenerated, coalesce(dropped, 0) AS dropped,
    coalesce(quarantined, 0) AS quarantined, coalesce(verdicts, 0) AS verdicts
    FROM shards s LEFT JOIN ended e USING (shard)),
lines AS (SELECT * FROM counted UNION ALL
    SELECT 'total', NULL, coalesce(sum(rows_in), 0), coalesce(sum(kept), 0), coalesce(sum(repaired), 0),
    coalesce(sum(regenerated), 0), coalesce(sum(dropped), 0), coalesce(sum(quarantined), 0),
    coalesce(sum(verdicts), 0) FROM counted)
SELECT * EXCLUDE (verdicts), rows_in = verdicts
    AND rows_in = kept + repaired + regenerated + dropped + quarantined AS holds
FROM lines ORDER BY shard = 'total', shard""",
    ),
    "reasons": (
        "Why rows were changed or kept out, by outcome.",
        """WITH named AS (SELECT outcome, unnest(reasons) AS reason FROM verdicts)
SELECT outcome, reason, count(*) AS rows FROM named GROUP BY outcome, reason ORDER BY rows DESC, outcome, reason""",
    ),
    "requests": (
        "Requests to the model by outcome.",
        """SELECT outcome, count(*) AS requests, coalesce(sum(prompt_tokens), 0) AS prompt_tokens,
    coalesce(sum(completion_tokens), 0) AS completion_tokens, round(sum(seconds), 3) AS seconds
FROM generations GROUP BY outcome ORDER BY requests DESC, outcome""",
    ),
}
VIEWS: Final = (*TABLES, "shards", *_QUESTIONS)
"""Every view of the catalog."""


def render_catalog(manifest: Manifest, root: Path | None = None) -> str:
    """Return the SQL that makes every view. Paths are relative to the output folder, or under ``root``, where given."""
    parts = [
        f"-- Views over the output of phrasemill {manifest.phrasemill}. In this folder: duckdb -init catalog.sql\n"
        "-- The views read exactly the files that manifest.json lists.\n"
    ]
    for table in TABLES:
        paths = [file.path if root is None else str(root / file.path) for file in manifest.files(table)]
        parts.append(_view(table, _files(paths) if paths else _nothing(SCHEMAS[table])))
    parts.append(_view("shards", _shards(manifest)))
    for name, (says, query) in _QUESTIONS.items():
        parts.append(f"-- {says}\n{_view(name, query)}")
    return "\n".join(parts)


def write_catalog(out: Path, manifest: Manifest) -> None:
    """Write ``catalog.sql``, with paths relative to ``out``."""
    write_atomic(out / CATALOG_NAME, render_catalog(manifest).encode())


def _view(name: str, query: str) -> str:
    return f"CREATE OR REPLACE VIEW {name} AS\n{query};\n"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _files(paths: list[str]) -> str:
    listed = ",\n    ".join(map(_text, paths))
    return f"SELECT * FROM read_parquet([\n    {listed}\n])"


def _nothing(schema: pa.Schema) -> str:
    columns = ",\n    ".join(f"CAST(NULL AS {_type(field.type)}) AS {field.name}" for field in schema)
    return f"SELECT\n    {columns}\nWHERE false"


def _type(arrow: pa.DataType) -> str:
    """Return the DuckDB type that a Parquet column of this type is read as."""
    if pa.types.is_large_list(arrow):
        return f"{_type(arrow.value_type)}[]"
    if pa.types.is_struct(arrow):
        return f"STRUCT({', '.join(f'{field.name} {_type(field.type)}' for field in arrow)})"
    return {pa.large_string(): "VARCHAR", pa.int64(): "BIGINT", pa.int32(): "INTEGER", pa.float32(): "FLOAT"}[arrow]


def _shards(manifest: Manifest) -> str:
    columns = 'shard, source, "start", "stop", rows_in'
    if not manifest.shards:
        return "SELECT '' AS shard, '' AS source, 0 AS \"start\", 0 AS \"stop\", 0 AS rows_in WHERE false"
    rows = ",\n    ".join(
        f"({_text(shard.key)}, {_text(shard.source)}, {shard.start}, {shard.stop}, {shard.rows_in})"
        for shard in manifest.shards
    )
    return f"SELECT * FROM (VALUES\n    {rows}\n) AS listed ({columns})"
