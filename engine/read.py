"""A shard becomes batches of canonical rows and of rows that cannot be used: every row exactly once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import blake3
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from phrasemill.engine.ingest_columns import Column
from phrasemill.engine.ingest_fit import late_column
from phrasemill.engine.ingest_quarantine import row_json
from phrasemill.engine.ingest_rows import RawRows
from phrasemill.engine.ingest_turns import REASONS, Turns
from phrasemill.engine.ingest_unchanged import unchanged
from phrasemill.engine.json_rows import json_rows
from phrasemill.engine.parquet_rows import parquet_rows
from phrasemill.engine.shapes import canonicalise
from phrasemill.engine.shards import InputPlan, Shard
from phrasemill.schemas import tables


@dataclass(frozen=True, slots=True)
class RowBatch:
    """Rows of a shard. ``row`` is the index in the shard of each row of ``table``.

    ``table``: ``id``, then ``messages`` or ``prompt, chosen, rejected`` (``tables.MESSAGES``), ``pm_messages_extra``,
    the plan's schema, ``pm_extra``. ``quarantine``: ``tables.QUARANTINE``.
    """

    row: pa.Int64Array
    table: pa.Table
    quarantine: pa.Table


def table_schema(plan: InputPlan) -> pa.Schema:
    """Return the schema of ``RowBatch.table``, the same for every shard of the plan."""
    fields = [pa.field("id", pa.large_string())]
    fields += [pa.field(name, tables.MESSAGES) for name in plan.shape.fields]
    fields += [pa.field("pm_messages_extra", pa.large_string()), *plan.schema, pa.field("pm_extra", pa.large_string())]
    return pa.schema(fields)


def read_shard(shard: Shard, plan: InputPlan, batch_bytes: int | None = None) -> Iterator[RowBatch]:
    """Every row of the shard, or of the plan's sample of it, once: in ``table`` or in ``quarantine``, in order.

    ``batch_bytes``: about how much is read at a time, None: as the readers think best. No row depends on it.
    ``id`` is the input's own as text, else the beginning of a blake3 of the canonical conversation.
    ``pm_messages_extra`` is JSON: one entry a turn, null or an object of the message's other keys; for preference rows
    an object with such a list for each of prompt, chosen and rejected.

    Raises:
        InputError, IntegrityError: the file cannot be opened or decoded, or is not the one that was planned; the
            latter may be told after the last batch.

    """
    rows = parquet_rows if shard.kind == "parquet" else json_rows
    schema = table_schema(plan)
    with unchanged(shard):
        for raw in rows(shard, plan, batch_bytes):
            yield _batch(raw, plan, schema)


def _batch(raw: RawRows, plan: InputPlan, schema: pa.Schema) -> RowBatch:
    n_rows = len(raw.row)
    canonical = canonicalise(raw.consumed, plan.shape, n_rows)
    own = _own_ids(raw.consumed.get(plan.shape.id or ""), n_rows)
    for place in np.flatnonzero(canonical.reason).tolist():
        reason = REASONS[canonical.reason[place]]
        raw.quarantine.add(int(raw.row[place]), reason, raw.raw(place), row_id=own[place].as_py())
    keep = canonical.reason == 0
    fields = {name: turns.keep_rows(keep) for name, turns in canonical.fields.items()}
    extra = late_column(raw.late, n_rows)
    kept = [array if keep.all() else array.filter(pa.array(keep)) for array in (own, *raw.passed, extra)]
    messages = [turns.to_arrow() for turns in fields.values()]
    columns = [_ids(kept[0], messages), *messages, _extras(fields, int(keep.sum())), *kept[1:]]
    return RowBatch(pa.array(raw.row[keep]), pa.Table.from_arrays(columns, schema=schema), raw.quarantine.table())


def _own_ids(column: Column | None, n_rows: int) -> pa.LargeStringArray:
    """Return the input's ids as text; null where there is none."""
    if column is None:
        return pa.nulls(n_rows, pa.large_string())
    if isinstance(column, pa.Array):
        try:
            return column.cast(pa.large_string())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            column = column.to_pylist()
    texts = [value if value is None or isinstance(value, str) else _text(value) for value in column]
    return pa.array(texts, pa.large_string())


def _text(value: object) -> str:
    return row_json(value).decode().strip('"')


def _ids(own: pa.LargeStringArray, fields: list[pa.LargeListArray]) -> pa.LargeStringArray:
    """Every row's id: its own, else the first 32 hex digits of the hash of its conversation."""
    if not own.null_count:
        return own
    if own.null_count == len(own):
        return pa.array(conversation_hashes(fields, np.arange(len(own))), pa.large_string())
    missing = np.flatnonzero(own.is_null().to_numpy(zero_copy_only=False))
    ids = own.to_pylist()
    for row, digest in zip(missing.tolist(), conversation_hashes(fields, missing), strict=True):
        ids[row] = digest
    return pa.array(ids, pa.large_string())


def conversation_hashes(fields: list[pa.LargeListArray], rows: npt.NDArray[np.int64]) -> list[str]:
    """Return 32 hex digits of blake3 for each of ``rows``, which depend on its conversation alone.

    Hashed are, for every field: the number of turns and the byte lengths of each turn's role and text (64 bits each,
    little-endian), the roles, the texts.
    """
    (first_starts, first), *parts = [part for messages in fields for part in _packed(messages)]
    hashes = []
    for row in rows.tolist():
        hasher = blake3.blake3(first[first_starts[row] : first_starts[row + 1]])
        for starts, data in parts:
            hasher.update(data[starts[row] : starts[row + 1]])
        hashes.append(hasher.hexdigest()[:32])
    return hashes


def _packed(messages: pa.LargeListArray) -> Iterator[tuple[list[int], memoryview]]:
    """Lengths, roles and texts of a column of conversations, each with the byte offsets of its rows."""
    turns = messages.offsets.to_numpy()
    text_offsets, texts = [], []
    for place in range(2):
        text = messages.values.field(place)
        _, offsets, data = text.buffers()
        text_offsets.append(np.frombuffer(offsets, np.int64)[text.offset : text.offset + len(text) + 1])
        texts.append(memoryview(data if data is not None else b""))
    lengths = np.stack([np.diff(offsets) for offsets in text_offsets], axis=1)[turns[0] : turns[-1]].ravel()
    places = 2 * (turns[:-1] - turns[0])
    header = np.insert(lengths, places, np.diff(turns)).astype("<i8")
    starts = 8 * (2 * (turns - turns[0]) + np.arange(len(turns)))
    yield starts.tolist(), memoryview(header.tobytes())
    for offsets, data in zip(text_offsets, texts, strict=True):
        yield offsets[turns].tolist(), data


def _extras(fields: dict[str, Turns], n_rows: int) -> pa.LargeStringArray:
    if not any(turns.extra for turns in fields.values()):
        return pa.nulls(n_rows, pa.large_string())
    texts: list[str | None] = [None] * n_rows
    for row in {row for turns in fields.values() for row in turns.extra}:
        lists = {name: turns.extra.get(row, [None] * int(turns.counts[row])) for name, turns in fields.items()}
        value = lists.get("messages", lists)
        texts[row] = row_json(value).decode()
    return pa.array(texts, pa.large_string())
