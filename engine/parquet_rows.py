"""The rows of a Parquet shard, batch by batch, with page checksums verified and broken rows set apart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from phrasemill.engine.ingest_columns import is_list, is_text
from phrasemill.engine.ingest_fit import fit_table
from phrasemill.engine.ingest_quarantine import MAX_ROW_BYTES, Quarantine, row_json
from phrasemill.engine.ingest_rows import RawRows
from phrasemill.engine.ingest_schema import plain
from phrasemill.engine.shards import InputPlan, Shard
from phrasemill.engine.source import is_remote, open_raw
from phrasemill.schemas.errors import InputError, IntegrityError

BATCH_BYTES: Final = 32 * 1024 * 1024
"""Uncompressed bytes that one batch is aimed at."""

MAX_BATCH_ROWS: Final = 65_536
READ_BUFFER_BYTES: Final = 1024 * 1024
"""Read at a time from a column: without a buffer a whole column of a row group is held compressed."""

Mask = npt.NDArray[np.bool_]


def parquet_rows(shard: Shard, plan: InputPlan) -> Iterator[RawRows]:
    """Return the rows of the shard in order; with a sample, only its rows.

    Raises:
        InputError: the file cannot be opened.
        IntegrityError: a page does not decode, its checksum is wrong, or the number of rows is not the planned one.

    """
    wanted = None if plan.sample is None else plan.sample[shard.key]
    with closing(_open(shard)) as file:
        for start, batch in _batches(file, shard, wanted):
            row = np.arange(start, start + batch.num_rows, dtype=np.int64)
            if wanted is not None:
                row = wanted[np.searchsorted(wanted, start) : np.searchsorted(wanted, start + batch.num_rows)]
                batch = batch.take(pa.array(row - start))
            if len(row):
                yield from _pieces(shard, plan, row, batch)


def _open(shard: Shard) -> pq.ParquetFile:
    source: Any = open_raw(shard.path) if is_remote(shard.path) else shard.path
    try:
        return pq.ParquetFile(source, pre_buffer=False, buffer_size=READ_BUFFER_BYTES, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{shard.path}: not a readable Parquet file: {error}") from error


def _batches(
    file: pq.ParquetFile, shard: Shard, wanted: npt.NDArray[np.int64] | None
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Batches with the index of their first row. Row groups of which the sample wants nothing are not read."""
    groups = list(range(shard.start, min(shard.stop, file.metadata.num_row_groups)))
    counts = [file.metadata.row_group(group).num_rows for group in groups]
    if sum(counts) != shard.rows:
        raise IntegrityError(f"{shard.source}: has {sum(counts)} rows, {shard.rows} were planned; plan again")
    runs = [(0, groups)]
    if wanted is not None:
        starts = np.concatenate([[0], np.cumsum(counts)])
        hit = np.diff(np.searchsorted(wanted, starts)) > 0
        runs = [(int(starts[place]), [group]) for place, group in enumerate(groups) if hit[place]]
    size = _batch_rows(file, groups)
    try:
        for start, run in runs:
            place = start
            for batch in file.iter_batches(batch_size=size, row_groups=run, use_threads=False):
                yield place, batch
                place += batch.num_rows
    except (OSError, pa.ArrowException) as error:
        raise IntegrityError(f"{shard.source}: cannot be decoded: {error}; restore the file and run again") from error


def _batch_rows(file: pq.ParquetFile, groups: list[int]) -> int:
    """Rows that make a batch of about ``BATCH_BYTES`` in the widest row group."""
    metadata = [file.metadata.row_group(group) for group in groups]
    widest = max((group.total_byte_size / group.num_rows for group in metadata if group.num_rows), default=1.0)
    return int(min(max(BATCH_BYTES / max(widest, 1.0), 1), MAX_BATCH_ROWS))


def _pieces(shard: Shard, plan: InputPlan, row: npt.NDArray[np.int64], batch: pa.RecordBatch) -> Iterator[RawRows]:
    """Return the batch in pieces that are not much larger than ``BATCH_BYTES``, whatever the footer said."""
    n_pieces = min(-(-batch.nbytes // (2 * BATCH_BYTES)), batch.num_rows)
    step = -(-batch.num_rows // max(n_pieces, 1))
    for start in range(0, batch.num_rows, step):
        yield _rows(shard, plan, row[start : start + step], batch.slice(start, step))


def _rows(shard: Shard, plan: InputPlan, row: npt.NDArray[np.int64], batch: pa.RecordBatch) -> RawRows:
    quarantine = Quarantine(shard.key, shard.source)
    large = _too_large(batch)
    broken = _invalid_text(batch) & ~large
    for place in np.flatnonzero(large | broken).tolist():
        raw = _raw_bytes(batch, place)
        quarantine.add(int(row[place]), "too_large" if large[place] else "invalid_utf8", raw)
    good = ~(large | broken)
    if not good.all():
        batch, row = batch.filter(pa.array(good)), row[good]
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
    if batch.nbytes <= MAX_ROW_BYTES:
        return np.zeros(batch.num_rows, np.bool_)
    sizes = np.zeros(batch.num_rows, np.int64)
    for column in batch.columns:
        sizes += _text_bytes(column)
    return sizes > MAX_ROW_BYTES


def _text_bytes(array: pa.Array) -> npt.NDArray[np.int64]:
    """Bytes of text in each value, at any depth."""
    if is_text(array.type) and not pa.types.is_dictionary(array.type):
        return np.asarray(pc.fill_null(pc.binary_length(array), 0).to_numpy()).astype(np.int64)
    if is_list(array.type):
        total = np.concatenate([[0], np.cumsum(_text_bytes(array.values))])
        offsets = array.offsets.to_numpy()
        return np.asarray(total[offsets[1:]] - total[offsets[:-1]])
    sizes = np.zeros(len(array), np.int64)
    if pa.types.is_struct(array.type):
        for place in range(array.type.num_fields):
            sizes += _text_bytes(array.field(place))
    return sizes


def _invalid_text(batch: pa.RecordBatch) -> Mask:
    """Rows that hold text which is not UTF-8."""
    bad = np.zeros(batch.num_rows, np.bool_)
    for column in batch.columns:
        if not _is_valid(column):
            bad |= _invalid_values(column)
    return bad


def _invalid_values(array: pa.Array) -> Mask:
    if pa.types.is_dictionary(array.type):
        return _invalid_values(array.dictionary_decode())
    if is_text(array.type):
        values = array.cast(pa.large_string()).view(pa.large_binary())
        return np.fromiter((not _is_utf8(value) for value in values.to_pylist()), np.bool_, len(array))
    if is_list(array.type):
        total = np.concatenate([[0], np.cumsum(_invalid_values(array.values))])
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


def _raw_bytes(batch: pa.RecordBatch, place: int) -> bytes:
    """JSON of a row whose text keeps its bytes, valid or not."""
    row = {name: _bytes_value(batch.column(name).slice(place, 1)) for name in batch.schema.names}
    return json.dumps(row, ensure_ascii=False, default=str).encode("utf-8", errors="surrogateescape")


def _bytes_value(array: pa.Array) -> Any:
    return _escaped(array.cast(_bytes_type(plain(array.type))).to_pylist()[0])


def _bytes_type(kind: pa.DataType) -> pa.DataType:
    """Return the type with bytes in the place of text, at any depth."""
    if is_text(kind):
        return pa.large_binary()
    if is_list(kind):
        return pa.large_list(_bytes_type(plain(kind.value_type)))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(item.name, _bytes_type(plain(item.type))) for item in kind])
    return kind


def _escaped(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="surrogateescape")
    if isinstance(value, dict):
        return {key: _escaped(item) for key, item in value.items()}
    return [_escaped(item) for item in value] if isinstance(value, list) else value
