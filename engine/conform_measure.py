"""One folder, measured: what its rows touch, what was in them before, what is in them now, what a judge said."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from phrasemill.engine.catalog import render_catalog
from phrasemill.engine.conform_judged import Verdicts, read_verdicts
from phrasemill.engine.conform_model import WHOLE, CategoryRate, HitRate, Statement, Whole
from phrasemill.engine.conform_phrases import phrase_uses
from phrasemill.engine.conform_scan import Counts, PartJob, Side, Target, added, scan_part
from phrasemill.engine.conform_touch import anchors_of
from phrasemill.engine.manifest import Manifest, Totals, totals
from phrasemill.engine.pool import INLINE_BYTES, run_jobs, worker_count
from phrasemill.engine.progress import progress
from phrasemill.engine.query import MEMORY_LIMIT
from phrasemill.engine.sft import sft_schema
from phrasemill.generators.traits import trait_hash
from phrasemill.schemas.config import RunConfig
from phrasemill.schemas.errors import IntegrityError
from phrasemill.schemas.trait import Trait

_GENERATED: Final = ("generate", "probe")
"""Commands whose folders hold no originals: what would have been there is the rejected side of their pairs."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A folder, measured. ``hashes``: of each trait, the texts of it that its rows were written under."""

    folder: Path
    manifest: Manifest
    totals: Totals
    whole: Whole
    statements: tuple[Statement, ...]
    unknown_traits: dict[str, int]
    hashes: dict[str, tuple[str, ...]]
    verdicts: Verdicts | None


def measure(
    folder: Path,
    manifest: Manifest,
    traits: Sequence[Trait],
    config: RunConfig,
    judged: Sequence[Path],
    threshold: float,
    show_progress: bool | None,
) -> Measured:
    """Measure a folder. ``config``: its filters are what published text is read with.

    Raises:
        IntegrityError: a file that the manifest lists cannot be read. ConfigError: ``judged`` is of no use here.
    """
    hashes = {trait.id: trait_hash(trait) for trait in traits}
    known = _look_up(folder, manifest, traits, hashes, judged, threshold)
    before = known.before
    rowless = anchors_of(trait for trait in traits if trait.id not in known.own)
    target = Target(tuple(traits), hashes, rowless, config)
    side: Side = "messages" if manifest.files("sft") else "chosen"
    now = _scanned(folder, manifest, side, target, show_progress)
    if before is None and manifest.files("preference"):
        before = _scanned(folder, manifest, "rejected", target, show_progress)
    sums = totals(manifest)
    return Measured(
        folder=folder,
        manifest=manifest,
        totals=sums,
        whole=_whole(now, before, sums, manifest.command not in _GENERATED),
        statements=tuple(_statement(trait, now, before, known.queries, known.verdicts) for trait in traits),
        unknown_traits={name: count for name, count in _named(now, "trait").items() if name not in hashes},
        hashes=known.hashes,
        verdicts=known.verdicts,
    )


@dataclass(frozen=True, slots=True)
class _Known:
    """What the tables say without a look at the text. ``own``: rows by trait id; ``before``: hits in cleaned data."""

    own: dict[str, int]
    queries: dict[str, int]
    hashes: dict[str, tuple[str, ...]]
    verdicts: Verdicts | None
    before: Counts | None


def _look_up(
    folder: Path,
    manifest: Manifest,
    traits: Sequence[Trait],
    hashes: dict[str, str],
    judged: Sequence[Path],
    threshold: float,
) -> _Known:
    with (
        tempfile.TemporaryDirectory(prefix="phrasemill-conform-") as spill,
        duckdb.connect(config={"memory_limit": MEMORY_LIMIT, "temp_directory": spill}) as connection,
    ):
        try:
            connection.execute(render_catalog(manifest, folder.resolve()))
            files = _publish(connection, folder.resolve(), manifest)
            return _Known(
                own=_by_trait(connection, "SELECT trait_id, count(*) FROM published GROUP BY ALL"),
                queries=_by_trait(connection, "SELECT pm_trait_id, count(*) FROM queries GROUP BY ALL"),
                hashes=_hashes(connection),
                verdicts=read_verdicts(connection, files, judged, hashes, threshold) if judged else None,
                before=None if manifest.command in _GENERATED else _counted_before(connection, traits),
            )
        except duckdb.Error as error:
            raise IntegrityError(f"{folder}: cannot be read: {error}; see: phrasemill verify {folder}") from error


_PUBLISHED: Final = """
CREATE TEMP VIEW published AS SELECT pm_shard AS shard, pm_row AS row, {row_id} AS row_id, pm_trait_id AS trait_id,
  {messages} AS messages, {shift} AS shift, parse_filename(filename) AS file, file_row_number AS place
FROM published_files;
"""
_NO_ROWS: Final = sft_schema(pa.schema([("filename", pa.string()), ("file_row_number", pa.int64())]))
_OF_ROWS: Final = {"row_id": "id", "messages": "messages", "shift": "0"}
_OF_PAIRS: Final = {"row_id": "pm_row_id", "messages": "list_concat(prompt, chosen)", "shift": "len(prompt)"}


def _publish(connection: duckdb.DuckDBPyConnection, folder: Path, manifest: Manifest) -> list[Path]:
    """Make the view ``published``: SFT rows, or the chosen sides where a folder has only pairs. Its files are returned.

    ``shift``: turns of ``messages`` before those that a judge counts; ``file`` and ``place``: where the row stands.
    """
    rows = manifest.files("sft")
    files = [folder / record.path for record in rows or manifest.files("preference")]
    if files:
        paths = list(map(str, files))
        relation = connection.read_parquet(paths, filename=True, file_row_number=True, union_by_name=True)
    else:
        relation = connection.from_arrow(_NO_ROWS.empty_table())
    relation.create_view("published_files")
    connection.execute(_PUBLISHED.format(**(_OF_ROWS if rows or not files else _OF_PAIRS)))
    return files


_BEFORE: Final = """
CREATE TEMP TABLE hits_before AS
SELECT s.shard, s.row, s.category, s.rule_id, p.trait_id, p.shard IS NOT NULL AS is_here
FROM spans s LEFT JOIN (SELECT shard, row, any_value(trait_id) AS trait_id FROM published GROUP BY ALL) p
  ON p.shard = s.shard AND p.row = s.row
WHERE s.exempt IS NULL AND s.field <> 'rejected';

DELETE FROM hits_before USING allowed a
WHERE hits_before.trait_id = a.id AND (hits_before.category = a.name OR hits_before.rule_id = a.name);
"""


def _counted_before(connection: duckdb.DuckDBPyConnection, traits: Sequence[Trait]) -> Counts:
    """Hits in the originals: of all rows that were read under ``*``, and of published rows by their trait."""
    allowed = [(trait.id, name) for trait in traits for name in trait.phrases.allow]
    connection.execute("CREATE TEMP TABLE allowed (id VARCHAR, name VARCHAR)")
    if allowed:
        connection.executemany("INSERT INTO allowed VALUES (?, ?)", allowed)
    connection.execute(_BEFORE)
    counts: Counts = Counter()
    for trait, hits, rows in connection.execute(
        "SELECT trait_id, count(*), count(DISTINCT (shard, row)) FROM hits_before WHERE is_here GROUP BY trait_id"
    ).fetchall():
        if trait is not None:
            counts[trait, "hits", ""], counts[trait, "rows_hit", ""] = hits, rows
    found = connection.execute("SELECT count(*), count(DISTINCT (shard, row)) FROM hits_before").fetchone() or (0, 0)
    counts[WHOLE, "hits", ""], counts[WHOLE, "rows_hit", ""] = found
    by_category = "SELECT category, count(DISTINCT (shard, row)) FROM hits_before GROUP BY category"
    for category, rows in connection.execute(by_category).fetchall():
        counts[WHOLE, "category", category] = rows
    for trait, rows in _by_trait(connection, "SELECT trait_id, count(*) FROM published GROUP BY ALL").items():
        counts[trait, "measured", ""] = rows
    return counts


def _hashes(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, ...]]:
    """Texts of each trait that something of this folder was written under."""
    found: dict[str, set[str]] = {}
    columns = {"sft": "pm_trait_hash", "preference": "pm_trait_hash", "queries": "pm_trait_hash"}
    for table, column in (*columns.items(), ("generations", "trait_hash")):
        names = {name for name, *_ in connection.execute(f"DESCRIBE {table}").fetchall()}
        if column not in names:  # a folder of cleaned rows has none there
            continue
        sql = f"SELECT DISTINCT {column.replace('hash', 'id')}, {column} FROM {table} WHERE {column} IS NOT NULL"
        for trait, value in connection.execute(sql).fetchall():
            found.setdefault(trait, set()).add(value)
    return {trait: tuple(sorted(values)) for trait, values in sorted(found.items())}


def _scanned(folder: Path, manifest: Manifest, side: Side, target: Target, show_progress: bool | None) -> Counts:
    files = manifest.files("sft" if side == "messages" else "preference")
    jobs = [PartJob(folder.resolve() / record.path, side, target) for record in files]
    size = sum(record.bytes for record in files)
    workers = worker_count() if size > INLINE_BYTES else 1
    parts: list[Counts] = []
    rows = sum(record.rows for record in files)
    with progress("reading", rows, "rows", enabled=show_progress) as advance:
        for part in run_jobs(scan_part, jobs, workers=workers, stopping=lambda: False):
            parts.append(part)
            advance(part[WHOLE, "rows", ""])
    return added(parts)


def _whole(now: Counts, before: Counts | None, sums: Totals, cleaned: bool) -> Whole:
    rows = now[WHOLE, "rows", ""]
    names = _named(now, "category").keys() | (_named(before, "category").keys() if before is not None else set())
    categories = tuple(
        CategoryRate(
            category=name,
            before=None if before is None else before[WHOLE, "category", name],
            after=now[WHOLE, "category", name],
        )
        for name in sorted(names)
    )
    was = None
    if before is not None:
        was = _rate(before, WHOLE, sums.rows_in if cleaned else before[WHOLE, "rows", ""])
    return Whole(rows=rows, before=was, after=_rate(now, WHOLE, rows), categories=categories)


def _statement(
    trait: Trait, now: Counts, before: Counts | None, queries: dict[str, int], verdicts: Verdicts | None
) -> Statement:
    name = trait.id
    rows, probed, asked = now[name, "rows", ""], now[name, "probe_rows", ""], queries.get(name, 0)
    was = None if before is None else _rate(before, name, before[name, "measured", ""])
    return Statement(
        id=name,
        statement=trait.statement,
        authority=trait.authority,
        hash=trait_hash(trait),
        rows=rows,
        other_version=now[name, "other_version", ""],
        queries=asked,
        probe_rows=probed,
        near_rows=now[name, "near_rows", ""],
        coverage=rows + asked + probed,
        before=was if was is not None and was.rows else None,
        after=_rate(now, name, now[name, "measured", ""]),
        phrases=phrase_uses(trait, now),
        judged=None if verdicts is None else verdicts.statements.get(name),
        agreement=None if verdicts is None else verdicts.agreements.get(name),
    )


def _rate(counts: Counts, of: str, rows: int) -> HitRate:
    words, hits, with_hit = (counts[of, what, ""] for what in ("words", "hits", "rows_hit"))
    return HitRate(rows=rows, words=words, hits=hits, rows_with_hit=with_hit)


def _named(counts: Counts, what: str) -> dict[str, int]:
    """Names and numbers of one kind over the whole folder, in order of the names."""
    return {name: counts[key] for key in sorted(counts) if (key[0], key[1]) == (WHOLE, what) and (name := key[2])}


def _by_trait(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[str, int]:
    return {name: int(count) for name, count in connection.execute(sql).fetchall() if name is not None}
