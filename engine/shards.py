"""Shards, and the plan of an input: what is read, as which shape, under which frozen schema."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import blake3
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from phrasemill.engine.ingest_footer import check_footer
from phrasemill.engine.ingest_lines import count_rows, line_start
from phrasemill.engine.ingest_refuse import refuse
from phrasemill.engine.ingest_sample import json_schema, parquet_schema, read_footer
from phrasemill.engine.ingest_schema import FileSchema, is_json_text, passthrough, simple, union, usual_types
from phrasemill.engine.shapes import Shape, detect
from phrasemill.engine.source import (
    STREAM_ERRORS,
    Compression,
    Kind,
    SourceFile,
    identify,
    open_plain,
    resolve,
    stamp,
)
from phrasemill.schemas.config import InputConfig
from phrasemill.schemas.errors import InputError

TARGET_SHARD_BYTES: Final = 128 * 1024 * 1024
"""Row groups are joined to one shard up to this many bytes, uncompressed."""

TARGET_LINES_BYTES: Final = 64 * 1024 * 1024
"""Plain JSON lines are cut into shards of about this many bytes."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of a file: row groups (Parquet) or bytes (JSON) ``start:stop``. ``rows`` is None until they are counted.

    ``key`` depends on the content of the file and the range alone; of equal shards the later ones add ``-2``, ``-3``.
    ``stamp`` is that of the file when it was hashed.
    """

    key: str
    path: str
    kind: Kind
    compression: Compression
    content_hash: str
    start: int
    stop: int
    rows: int | None
    stamp: str

    @property
    def source(self) -> str:
        """Where the rows come from, for people."""
        if self.kind == "parquet":
            return f"{self.path} row groups {self.start}-{self.stop - 1}"
        return self.path if self.start == 0 else f"{self.path} from byte {self.start}"


@dataclass(frozen=True, slots=True, eq=False)
class InputPlan:
    """What a run reads. ``columns`` are the input names of the fields of ``schema``, in the same order.

    ``json_columns`` (input names) hold JSON text of nested values. ``line_types`` are the types that the shape's
    columns were seen to have in JSON files. ``sample``: shard key to the sorted row indices that are read, or None
    where every row is.
    """

    files: tuple[SourceFile, ...]
    shards: tuple[Shard, ...]
    shape: Shape
    schema: pa.Schema
    columns: tuple[str, ...]
    json_columns: frozenset[str]
    line_types: Mapping[str, pa.DataType]
    rows: int | None
    sample: Mapping[str, npt.NDArray[np.int64]] | None

    def only(self, shard: Shard) -> InputPlan:
        """Return the same plan for one shard: small enough to send to the process that reads it."""
        sample = None if self.sample is None else {shard.key: self.sample[shard.key]}
        return replace(self, files=(), shards=(shard,), rows=shard.rows, sample=sample)

    def fingerprint(self) -> str:
        """Differs when other rows would be read, or the same rows otherwise; not with paths or the order of files."""
        hasher = blake3.blake3(json.dumps(sorted(shard.key for shard in self.shards)).encode())
        hasher.update(self.reading_fingerprint().encode())
        for key in sorted(self.sample or ()):
            hasher.update(key.encode() + (self.sample or {})[key].tobytes())
        return hasher.hexdigest()[:32]

    def reading_fingerprint(self) -> str:
        """Differs when a row of a shard would become another canonical row: shape, schema, names."""
        fields = [(item.name, str(item.type)) for item in self.schema]
        parts = [repr(self.shape), fields, self.columns, sorted(self.json_columns)]
        return blake3.blake3(json.dumps(parts).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class _Opened:
    file: SourceFile
    schema: FileSchema
    footer: pq.FileMetaData | None


def plan_input(
    input: InputConfig,
    *,
    limit: int | None = None,
    head: int | None = None,
    seed: int = 1,
    known: Iterable[SourceFile] = (),
    answered: bool = True,
) -> InputPlan:
    """Return the plan for an input: every footer and the first rows of JSON files are read, and each file is hashed.

    One file that cannot be read refuses the input: a run that leaves a file out would be taken for one of the whole.

    ``limit``: a seeded sample of that many rows over all shards; ``head``: the first rows in the order of the paths.
    ``known``: files of an earlier plan; those whose stamp is unchanged are not hashed again.
    ``answered`` false: rows without an answer are read too.

    Raises:
        InputError: nothing is found, files cannot be read (all are named), no shape fits, or types of a column
            conflict.

    """
    earlier = {file.path: file for file in known}
    opened = _open_all(resolve(input.path), earlier)
    read = tuple(item.file for item in opened)
    opened = [item for item in opened if item.schema.types]
    if not opened:
        raise InputError(f"input.path {', '.join(input.path)}: the files have no rows")
    schemas = [item.schema for item in opened]
    shape = detect(usual_types(schemas), input.columns, answered=answered)
    _require(shape, schemas)
    lines = [item.schema for item in opened if item.footer is None]
    types = union([*(simple(item.schema, json=item.footer is None) for item in opened)], but=shape.consumed)
    shards = tuple(_with_keys(shard for item in opened for shard in _cut(item)))
    if limit is not None or head is not None:
        shards = tuple(shard if shard.rows is not None else replace(shard, rows=count_rows(shard)) for shard in shards)
    counts = [shard.rows for shard in shards]
    return InputPlan(
        files=read,
        shards=shards,
        shape=shape,
        schema=passthrough(types),
        columns=tuple(types),
        json_columns=frozenset(name for name, kind in types.items() if is_json_text(kind)),
        line_types={name: kind for name, kind in usual_types(lines).items() if name in shape.consumed},
        rows=None if None in counts else sum(count for count in counts if count is not None),
        sample=_sample(shards, limit, head, seed),
    )


def _open_all(paths: Sequence[str], earlier: Mapping[str, SourceFile]) -> list[_Opened]:
    """Every file, or one error for all that cannot be read."""
    opened, problems = [], []
    for path in paths:
        try:
            opened.append(_open(path, earlier.get(path)))
        except InputError as error:
            problems.append(error.message)
    refuse(problems)
    return opened


def _open(path: str, earlier: SourceFile | None) -> _Opened:
    file = earlier if earlier is not None and earlier.stamp == stamp(path) else identify(path)
    if file.kind != "parquet":
        schema = json_schema(file)
        if not schema.types and _holds_text(file):
            raise InputError(
                f"{path}: got no row of JSON at its beginning, expected a JSON object a line or an array of them; mend "
                "the file or take it out of the input"
            )
        return _Opened(file, schema, None)
    footer = read_footer(path)
    check_footer(path, footer, file.size)
    return _Opened(file, parquet_schema(path, footer), footer)


def _holds_text(file: SourceFile) -> bool:
    """Whether a JSON file holds more at its beginning than white space and the brackets of an empty array."""
    try:
        with open_plain(file.path, file.compression) as stream:
            head = stream.read(4096)
    except STREAM_ERRORS:
        return True
    return b"".join(head.removeprefix(b"\xef\xbb\xbf").split()) not in (b"", b"[]")


def _require(shape: Shape, schemas: Sequence[FileSchema]) -> None:
    problems = []
    for file in schemas:
        missing = [name for name in shape.needed if name not in file.types]
        if missing:
            problems.append(
                f"{file.path} has no column {missing[0]!r}, which rows of the shape {shape.kind!r} need (the first "
                f"shape that fits all files together); it has: {', '.join(file.types)}. Run it apart, or set "
                "input.columns"
            )
    refuse(problems)


def _cut(item: _Opened) -> Iterator[Shard]:
    """Return the shards of one file, without keys."""
    file = item.file
    if item.footer is not None:
        for start, stop, rows in _row_group_ranges(item.footer):
            yield _shard(file, start, stop, rows)
    elif file.kind == "jsonl" and file.compression == "none":
        start = 0
        while start < file.size:
            stop = line_start(file, start + TARGET_LINES_BYTES)
            yield _shard(file, start, stop, None)
            start = stop
    elif file.size:
        yield _shard(file, 0, file.size, None)


def _row_group_ranges(footer: pq.FileMetaData) -> Iterator[tuple[int, int, int]]:
    start, size, rows = 0, 0, 0
    for index in range(footer.num_row_groups):
        group = footer.row_group(index)
        if index > start and size + group.total_byte_size > TARGET_SHARD_BYTES:
            yield start, index, rows
            start, size, rows = index, 0, 0
        size += group.total_byte_size
        rows += group.num_rows
    if rows:
        yield start, footer.num_row_groups, rows


def _shard(file: SourceFile, start: int, stop: int, rows: int | None) -> Shard:
    return Shard("", file.path, file.kind, file.compression, file.content_hash, start, stop, rows, file.stamp)


def _with_keys(shards: Iterable[Shard]) -> Iterator[Shard]:
    seen: Counter[str] = Counter()
    for shard in shards:
        key = blake3.blake3(f"{shard.content_hash} {shard.start} {shard.stop}".encode()).hexdigest()[:16]
        seen[key] += 1
        yield replace(shard, key=key if seen[key] == 1 else f"{key}-{seen[key]}")


def _sample(
    shards: Sequence[Shard], limit: int | None, head: int | None, seed: int
) -> dict[str, npt.NDArray[np.int64]] | None:
    """Sorted row indices for each shard. The sample of ``limit`` does not depend on the order of the files."""
    if limit is None and head is None:
        return None
    ordered = shards if limit is None else sorted(shards, key=lambda shard: shard.key)
    ends = np.cumsum([shard.rows or 0 for shard in ordered], dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    if limit is None:
        picked = np.arange(min(head or 0, total), dtype=np.int64)
    else:
        picked = np.sort(np.random.Generator(np.random.PCG64(seed)).choice(total, min(limit, total), replace=False))
    starts = ends - np.array([shard.rows or 0 for shard in ordered], np.int64)
    bounds = np.searchsorted(picked, np.stack([starts, ends]))
    return {
        shard.key: picked[bounds[0][place] : bounds[1][place]] - starts[place] for place, shard in enumerate(ordered)
    }
