"""The rows of a Parquet shard, batch by batch, with page checksums verified and broken rows set apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from phrasemill.engine.ingest_columns import as_list, is_list, is_text
from phrasemill.engine.ingest_dictionary import compact, counted, has_dictionaries, swelling, written_out
from phrasemill.engine.ingest_fit import fit_table
from phrasemill.engine.ingest_footer import group_bytes
from phrasemill.engine.ingest_quarantine import MAX_ROW_BYTES, Quarantine, row_json
from phrasemill.engine.ingest_raw import raw_part
from phrasemill.engine.ingest_rows import RawRows
from phrasemill.engine.ingest_schema import plain
from phrasemill.engine.row_bytes import row_bytes, value_bytes
from phrasemill.engine.shards import InputPlan, Shard
from phrasemill.engine.source import is_remote, open_raw
from phrasemill.schemas.errors import InputError, IntegrityError

BATCH_BYTES: Final = 32 * 1024 * 1024
"""Uncompressed bytes that one batch is aimed at where nothing else is said."""

MAX_BATCH_ROWS: Final = 65_536
READ_BUFFER_BYTES: Final = 1024 * 1024
"""Read at a time from a column: without a buffer a whole column of a row group is held compressed."""

Mask = npt.NDArray[np.bool_]


def parquet_rows(shard: Shard, plan: InputPlan, batch_bytes: int | None = None) -> Iterator[RawRows]:
    """Return the rows of the shard in order, about ``batch_bytes`` at a time; with a sample, only its rows.

    Raises:
        InputError: the file cannot be opened.
        IntegrityError: a page does not decode, its checksum is wrong, or the number of rows is not the planned one.

    """
    wanted = None if plan.sample is None else plan.sample[shard.key]
    aim = batch_bytes or BATCH_BYTES
    with closing(_open(shard, aim)) as file:
        for start, batch in _batches(file, shard, wanted, aim):
            row = np.arange(start, start + batch.num_rows, dtype=np.int64)
            if wanted is not None:
                row = wanted[np.searchsorted(wanted, start) : np.searchsorted(wanted, start + batch.num_rows)]
                batch = batch.take(pa.array(row - start))
            if len(row):
                yield from _pieces(shard, plan, row, batch, aim)


def _open(shard: Shard, batch_bytes: int) -> pq.ParquetFile:
    source: Any = open_raw(shard.path) if is_remote(shard.path) else shard.path
    how = {"pre_buffer": False, "buffer_size": READ_BUFFER_BYTES, "page_checksum_verification": True}
    try:
        file = pq.ParquetFile(source, **how)
        groups = _groups(file, shard)
        rows = _batch_rows(file, groups, batch_bytes)
        if not (columns := swelling(shard.path, file.metadata, groups, batch_bytes, rows)):
            return file
        file.close()
        return pq.ParquetFile(source, read_dictionary=columns, **how)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{shard.path}: not a readable Parquet file: {error}") from error


def _groups(file: pq.ParquetFile, shard: Shard) -> list[int]:
    return list(range(shard.start, min(shard.stop, file.metadata.num_row_groups)))


def _batches(
    file: pq.ParquetFile, shard: Shard, wanted: npt.NDArray[np.int64] | None, batch_bytes: int
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Batches with the index of their first row. Row groups of which the sample wants nothing are not read."""
    groups = _groups(file, shard)
    counts = [file.metadata.row_group(group).num_rows for group in groups]
    if sum(counts) != shard.rows:
        raise IntegrityError(f"{shard.source}: has {sum(counts)} rows, {shard.rows} were planned; plan again")
    starts = np.concatenate([[0], np.cumsum(counts)])
    runs = [(0, groups)]
    if any(has_dictionaries(kind) for kind in file.schema_arrow.types):
        # Each row group has dictionaries of its own, and no batch can have two.
        runs = [(int(starts[place]), [group]) for place, group in enumerate(groups)]
    if wanted is not None:
        hit = np.diff(np.searchsorted(wanted, starts)) > 0
        runs = [(int(starts[place]), [group]) for place, group in enumerate(groups) if hit[place]]
    size = _batch_rows(file, groups, batch_bytes)
    try:
        for start, run in runs:
            place = start
            for batch in file.iter_batches(batch_size=size, row_groups=run, use_threads=False):
                yield place, batch
                place += batch.num_rows
    except (OSError, pa.ArrowException) as error:
        raise IntegrityError(f"{shard.source}: cannot be decoded: {error}; restore the file and run again") from error


def _batch_rows(file: pq.ParquetFile, groups: list[int], batch_bytes: int) -> int:
    """Rows that make a batch of about ``batch_bytes`` in the widest row group."""
    metadata = [file.metadata.row_group(group) for group in groups]
    widest = max((group_bytes(group) / group.num_rows for group in metadata if group.num_rows), default=1.0)
    return int(min(max(batch_bytes / max(widest, 1.0), 1), MAX_BATCH_ROWS))


def _pieces(
    shard: Shard, plan: InputPlan, row: npt.NDArray[np.int64], batch: pa.RecordBatch, batch_bytes: int
) -> Iterator[RawRows]:
    """Return the batch in pieces that end once they have ``batch_bytes``, whatever the footer said."""
    if batch.nbytes <= 2 * batch_bytes and not _swells(batch):
        yield _rows(shard, plan, row, batch)
        return
    total = np.cumsum(row_bytes(pa.Table.from_batches([batch])))
    start = 0
    while start < batch.num_rows:
        before = int(total[start - 1]) if start else 0
        stop = min(int(np.searchsorted(total, before + batch_bytes)) + 1, batch.num_rows)
        yield _rows(shard, plan, row[start:stop], batch.slice(start, stop - start))
        start = stop


def _swells(batch: pa.RecordBatch) -> bool:
    """Whether its buffers do not tell how large its rows are."""
    return any(has_dictionaries(kind) for kind in batch.schema.types)


def _rows(shard: Shard, plan: InputPlan, row: npt.NDArray[np.int64], batch: pa.RecordBatch) -> RawRows:
    quarantine = Quarantine(shard.key, shard.source)
    batch = pa.RecordBatch.from_arrays([as_list(column) for column in batch.columns], batch.schema.names)
    large = _too_large(batch)
    broken = _invalid_text(batch) & ~large
    for place in np.flatnonzero(large | broken).tolist():
        head, size, digest = raw_part(batch, place)
        quarantine.add_part(int(row[place]), "too_large" if large[place] else "invalid_utf8", head, size, digest)
    good = ~(large | broken)
    if not good.all():
        batch, row = batch.filter(pa.array(good)), row[good]
    batch = pa.RecordBatch.from_arrays([written_out(column) for column in batch.columns], batch.schema.names)
    passed, late = fit_table(batch, plan)
    names = set(batch.schema.names)
    consumed = {name: _plain(batch.column(name)) for name in plan.shape.consumed if name in names}
    return RawRows(
        row, consumed, passed, late, lambda place: row_json(batch.slice(place, 1).to_pylist()[0]), quarantine
    )


def _plain(array: pa.Array) -> pa.Array:
    kind = plain(array.type)
    return array if array.type == kind else array.cast(kind)


def _too_large(batch: pa.RecordBatch) -> Mask:
    """Rows with more than ``MAX_ROW_BYTES`` of text."""
    if batch.nbytes <= MAX_ROW_BYTES and not _swells(batch):
        return np.zeros(batch.num_rows, np.bool_)
    sizes = np.zeros(batch.num_rows, np.int64)
    for column in batch.columns:
        sizes += value_bytes(column)
    return sizes > MAX_ROW_BYTES


def _invalid_text(batch: pa.RecordBatch) -> Mask:
    """Rows that hold text which is not UTF-8."""
    bad = np.zeros(batch.num_rows, np.bool_)
    for column in batch.columns:
        if not _is_valid(column):
            bad |= _invalid_values(column)
    return bad


def _invalid_values(array: pa.Array) -> Mask:
    if pa.types.is_dictionary(array.type):
        used = compact(array)
        return counted(used, _invalid_values(used.dictionary), null=False)
    if is_text(array.type):
        values = array.cast(pa.large_string()).view(pa.large_binary())
        return np.fromiter((not _is_utf8(value) for value in values.to_pylist()), np.bool_, len(array))
    if is_list(array.type):
        total = np.concatenate([[0], np.cumsum(_invalid_values(array.values))])
        offsets = array.offsets.to_numpy()
        return np.asarray(total[offsets[1:]] > total[offsets[:-1]])
    if pa.types.is_map(array.type):
        total = np.concatenate([[0], np.cumsum(_invalid_values(array.keys) | _invalid_values(array.items))])
        offsets = array.offsets.to_numpy()
        return np.asarray(total[offsets[1:]] > total[offsets[:-1]])
    if pa.types.is_struct(array.type):
        bad = np.zeros(len(array), np.bool_)
        for place in range(array.type.num_fields):
            bad |= _invalid_values(array.field(place))
        return bad
    return np.fromiter((not _is_valid(array.take([place])) for place in range(len(array))), np.bool_, len(array))


def _is_valid(array: pa.Array) -> bool:
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _is_utf8(value: bytes | None) -> bool:
    try:
        (value or b"").decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
