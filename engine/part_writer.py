"""One Parquet part file, written batch by batch beside its place and moved there only when it is whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Literal

import blake3
import pyarrow as pa
import pyarrow.parquet as pq

from phrasemill.engine.manifest import FileRecord

ROW_GROUP_ROWS: Final = 10_000
"""Most rows of a row group: small enough to read one at a time, large enough to scan fast."""

_LONG_TEXT: Final = ("content", "text", "raw")
"""Leaves whose values hardly repeat: a dictionary would be built and thrown away."""


class PartWriter:
    """A part file of ``schema`` at ``path``; nothing is created until the first row comes.

    ``close`` makes it durable and returns its record under the name ``published``, None where there was no row.
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

    def write(self, table: pa.Table) -> None:
        """Append rows. The table must have exactly the schema of the part."""
        if not len(table):
            return
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(
                self.path,
                self.schema,
                compression=self._compression,
                use_dictionary=_short_leaves(self.schema),
                write_page_checksum=True,
            )
        self._writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
        self.rows += len(table)

    def close(self) -> FileRecord | None:
        """Finish the file: footer, checksum, fsync."""
        if self._writer is None:
            return None
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
        """Close without a record; what was written is left to be swept."""
        if self._writer is not None:
            self._writer.close()


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
