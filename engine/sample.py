"""Rows to read: a seeded sample of what a folder changed, wrote or found, spread over traits, rules and the like.

Candidates are drawn by DuckDB over columns without a text; the texts of the rows that were drawn are read afterwards.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
from pydantic import BaseModel, ConfigDict

from phrasemill.engine.catalog import SCHEMAS
from phrasemill.engine.diff import diff
from phrasemill.engine.manifest import TABLES, Manifest, read_manifest
from phrasemill.engine.query import MEMORY_LIMIT
from phrasemill.engine.sample_texts import Place, SampledRow, read_texts
from phrasemill.engine.sample_units import changed_units, cleaned_units, generated_units
from phrasemill.schemas.documents import read_document
from phrasemill.schemas.errors import ConfigError, IntegrityError

BY: Final = ("trait", "rule", "category", "recipe", "outcome")
"""What a sample can be spread over."""

_NOTHING: Final = "none"
_COUNT: Final = "SELECT count(*) FROM (SELECT DISTINCT shard, row, field, turn FROM units)"


class Part(BaseModel):
    """A part of a sample."""

    model_config = ConfigDict(frozen=True)


class Stratum(Part):
    """Turns that are alike: ``name`` has a part for each thing asked for. A turn of two rules stands in two of them."""

    name: tuple[str, ...]
    turns: int
    shown: int


class Sample(Part):
    """``rows`` in order of their strata; ``turns`` is how many there were to draw from.

    ``alone``: rows that only one of two builds has read or made, which cannot be drawn. ``overrides``: the file of
    verdicts that the folder was built with.
    """

    folder: str
    against: str | None
    command: str
    by: tuple[str, ...]
    seed: int
    turns: int
    alone: int = 0
    overrides: str | None = None
    strata: tuple[Stratum, ...]
    rows: tuple[SampledRow, ...]


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Candidates of a stratum in their random order, and of how many they were drawn."""

    name: tuple[str, ...]
    turns: int
    places: list[Place]


def sample(
    folder: Path, by: Sequence[str] = ("trait", "rule"), *, n: int = 50, seed: int = 1, against: Path | None = None
) -> Sample:
    """Draw at most ``n`` turns of ``folder``, the strata taking turns, so that rare ones are seen.

    A folder of scan, clean or run: turns with a hit that was acted on (of a scan, every one that counts; by outcome,
    those that were only tagged too). A folder of generate or probe: its rows. ``against``: rows that differ from those
    of another build over the same data, which is then what stands before.

    Raises:
        ConfigError: a folder has no manifest, or the two have no row in common.
        IntegrityError: files of a folder cannot be read.
    """
    _check_by(by)
    manifest = read_manifest(folder)
    alone = 0
    spill = Path(tempfile.gettempdir()) / f"phrasemill-sample-{os.getpid()}"
    with (
        duckdb.connect(config={"memory_limit": MEMORY_LIMIT, "temp_directory": str(spill)}) as connection,
        tempfile.TemporaryDirectory(prefix="phrasemill-sample-") as scratch,
    ):
        try:
            _open(connection, "b", folder, manifest)
            if against is None:
                generated = manifest.command in ("generate", "probe")
                units = generated_units(manifest) if generated else cleaned_units(manifest, by)
            else:
                _open(connection, "a", against, read_manifest(against))
                differing, alone = _differing(against, folder, Path(scratch))
                units = changed_units(differing, manifest)
            connection.execute(units)
            drawn = [_drawn(row) for row in connection.execute(_draw(by, n, seed)).fetchall()]
            ((turns,),) = connection.execute(_COUNT).fetchall()
            picked = _round_robin(drawn, n, seed)
            rows = read_texts(connection, picked, manifest, compares=against is not None)
        except duckdb.Error as error:
            raise IntegrityError(f"{folder}: cannot be sampled: {error}; see: phrasemill verify {folder}") from error
    shown = [name for _, name in picked]
    strata = tuple(Stratum(name=each.name, turns=each.turns, shown=shown.count(each.name)) for each in drawn)
    return Sample(
        folder=str(folder),
        against=None if against is None else str(against),
        command=manifest.command,
        by=tuple(by),
        seed=seed,
        turns=turns,
        alone=alone,
        overrides=_overrides(folder),
        strata=strata,
        rows=tuple(rows),
    )


def _overrides(folder: Path) -> str | None:
    path = folder / "config.yaml"
    config = read_document(path).data if path.is_file() else None
    named = config.get("overrides") if isinstance(config, dict) else None
    return named if isinstance(named, str) else None


def _check_by(by: Sequence[str]) -> None:
    wrong = next((name for name in by if name not in BY), None)
    if wrong is not None or not by or len(set(by)) != len(by):
        got = repr(wrong) if wrong is not None else "nothing" if not by else "a name twice"
        raise ConfigError(f"--by: got {got}, expected one or several of {', '.join(BY)}, with commas between them")


def _open(connection: duckdb.DuckDBPyConnection, side: str, folder: Path, manifest: Manifest) -> None:
    """Views of every table as ``TABLE_SIDE``."""
    for table in TABLES:
        files = [str(folder.resolve() / record.path) for record in manifest.files(table)]
        if files:
            relation = connection.read_parquet(files, union_by_name=True)
        else:
            relation = connection.from_arrow(SCHEMAS[table].empty_table())
        relation.create_view(f"{table}_{side}")


def _differing(before: Path, after: Path, scratch: Path) -> tuple[Path, int]:
    """A file of the rows whose hits or verdicts differ between two folders; how many rows only one of them has."""
    path = scratch / "changed.parquet"
    found = diff(before, after, examples=0, write_to=path)
    if not found.rows:
        raise ConfigError(f"{before}, {after}: have no row in common, expected two builds over the same data")
    return path, found.only_before + found.only_after


def _draw(by: Sequence[str], n: int, seed: int) -> str:
    """The first ``n`` turns of every stratum in a random order that the seed and a turn's place alone decide."""
    names = ", ".join(f"coalesce({name}, '{_NOTHING}') AS {name}" for name in by)
    listed = ", ".join(by)
    place = "struct_pack(shard := shard, row := row, field := field, turn := turn)"
    order = f"md5(concat_ws('|', {int(seed)}, shard, row, field, turn))"
    return (
        f"WITH keyed AS (SELECT DISTINCT {names}, shard, row, field, turn FROM units) "
        f"SELECT [{listed}] AS name, count(*) AS turns, arg_min({place}, {order}, {int(n)}) AS places "
        f"FROM keyed GROUP BY {listed} ORDER BY {listed}"
    )


def _drawn(row: Sequence[Any]) -> _Drawn:
    name, turns, places = row
    found = [Place(each["shard"], each["row"], each["field"], each["turn"]) for each in places]
    return _Drawn(tuple(name), turns, found)


def _round_robin(drawn: Sequence[_Drawn], n: int, seed: int) -> list[tuple[Place, tuple[str, ...]]]:
    """At most ``n`` turns, each once, with the stratum that it was drawn for, in order of strata.

    Every round takes one of each stratum; where there are more strata than rows, chance says which are left out.
    """
    order = sorted(drawn, key=lambda each: hashlib.sha256(repr((seed, each.name)).encode()).digest())
    waiting = {each.name: iter(each.places) for each in order}
    taken: dict[Place, tuple[str, ...]] = {}
    while waiting and len(taken) < n:
        for name in list(waiting):
            place = next((each for each in waiting[name] if each not in taken), None)
            if place is None:
                del waiting[name]
            elif len(taken) < n:
                taken[place] = name
    return sorted(taken.items(), key=lambda item: item[1])
