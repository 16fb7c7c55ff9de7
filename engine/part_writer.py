"""One Parquet part file, written beside its place: rows come batch by batch, the file depends on the rows alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal

import blake3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from phrasemill.engine.manifest import FileRecord
from phrasemill.engine.row_bytes import row_bytes

ROW_GROUP_ROWS: Final = 10_000
"""Most rows of a row group: small enough to read one at a time, large enough to scan fast."""

ROW_GROUP_BYTES: Final = 16 * 1024 * 1024
"""A row group ends with the row by which its rows, unpacked, have this many bytes: it is held until then."""

_LONG_TEXT: Final = ("content", "text", "raw")
"""Leaves whose values hardly repeat: a dictionary would be built and thrown away."""


class PartWriter:
    """A part file of ``schema`` at ``path``; nothing is created until the first row group is full or the file closed.

    ``close`` makes it durable and returns its record under the name ``published``, None where there was no row.
    Row groups and pages are cut by the rows alone: the same rows in other batches give the same bytes.
    """

    def __init__(
        self, path: Path, published: str, schema: pa.Schema, compression: Literal["zstd", "snappy", "none"]
    ) -> None:
        self.path = path
        self.published = published
        self.schema = schema
        self.rows = 0
        self._compression = compression
        self._writer: pq.ParquetWriter | None = None
        self._held: list[pa.Table] = []
        self._held_rows = 0
        self._held_bytes = 0

    def write(self, table: pa.Table) -> None:
        """Append rows. The table must have exactly the schema of the part."""
        self.rows += len(table)
        total = np.cumsum(row_bytes(table))
        start = 0
        while start < len(table):
            before = int(total[start - 1]) if start else 0
            full = int(np.searchsorted(total, before + ROW_GROUP_BYTES - self._held_bytes)) + 1
            stop = min(full, start + ROW_GROUP_ROWS - self._held_rows, len(table))
            self._held.append(table.slice(start, stop - start))
            self._held_rows += stop - start
            self._held_bytes += int(total[stop - 1]) - before
            if self._held_rows == ROW_GROUP_ROWS or self._held_bytes >= ROW_GROUP_BYTES:
                self._write_held()
            elif start:  # copied: a slice would hold the whole table in memory
                self._held[-1] = _copied(self._held[-1])
            start = stop

    def _write_held(self) -> None:
        """One row group of the rows held, each column in one piece: pages end where pieces do."""
        rows = pa.concat_tables(self._held).combine_chunks()
        self._held, self._held_rows, self._held_bytes = [], 0, 0
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(
                self.path,
                self.schema,
                compression=self._compression,
                use_dictionary=_short_leaves(self.schema),
                write_page_checksum=True,
            )
        with self._abandoned_on_error():
            self._writer.write_table(rows, row_group_size=ROW_GROUP_ROWS)

    def close(self) -> FileRecord | None:
        """Finish the file: footer, checksum, fsync."""
        if self._held:
            self._write_held()
        if self._writer is None:
            return None
        with self._abandoned_on_error():
            self._writer.close()
        digest = blake3.blake3(max_threads=blake3.blake3.AUTO)
        digest.update_mmap(self.path)
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        size = self.path.stat().st_size
        return FileRecord(path=self.published, rows=self.rows, bytes=size, blake3=digest.hexdigest())

    def abandon(self) -> None:
        """Close without a record, even on a full disk; what was written is left to be swept."""
        self._held = []
        if self._writer is not None and self._writer.is_open:
            with suppress(OSError):
                self._writer.close()
            self._writer.is_open = False  # or its finaliser would try, and fail, once more

    @contextmanager
    def _abandoned_on_error(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            self.abandon()
            raise


def _copied(table: pa.Table) -> pa.Table:
    columns = [pa.concat_arrays(column.chunks) for column in table.columns]
    return pa.Table.from_arrays(columns, schema=table.schema)


def _short_leaves(schema: pa.Schema) -> list[str]:
    """Column paths whose values repeat enough for a dictionary to pay."""
    paths: list[str] = []
    for field in schema:
        paths.extend(_leaves(field.name, field.type))
    return [path for path in paths if path.rpartition(".")[2] not in _LONG_TEXT]


def _leaves(path: str, kind: pa.DataType) -> list[str]:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _leaves(f"{path}.list.element", kind.value_type)
    if pa.types.is_struct(kind):
        return [leaf for inner in kind for leaf in _leaves(f"{path}.{inner.name}", inner.type)]
    return [path]
