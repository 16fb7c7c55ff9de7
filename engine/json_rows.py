"""The rows of a JSON shard: blocks of lines as columns where they fit what the plan expects, else line by line."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.json as pj

from phrasemill.engine.ingest_columns import CONTENT_KEYS, ROLE_KEYS, Column, is_list, is_text
from phrasemill.engine.ingest_depth import TOO_DEEP, is_too_deep, may_be_deep
from phrasemill.engine.ingest_fit import fit_rows, fit_table
from phrasemill.engine.ingest_lines import Block, LongLine, array_items, lines_of, read_blocks
from phrasemill.engine.ingest_numbers import exact, parsed_exactly
from phrasemill.engine.ingest_quarantine import MAX_ROW_BYTES, Quarantine
from phrasemill.engine.ingest_rows import RawRows
from phrasemill.engine.shards import InputPlan, Shard

BATCH_BYTES: Final = 16 * 1024 * 1024
"""Elements of an array make a batch when their JSON has this many bytes."""


def json_rows(shard: Shard, plan: InputPlan, batch_bytes: int | None = None) -> Iterator[RawRows]:
    """Return the rows of the shard in order; with a sample, only its rows. Blank lines are no rows.

    Raises:
        IntegrityError: the file cannot be read to its end.

    """
    wanted = None if plan.sample is None else plan.sample[shard.key]
    yield from (_array_rows if shard.kind == "json" else _line_rows)(shard, plan, wanted, batch_bytes)


def _line_rows(
    shard: Shard, plan: InputPlan, wanted: npt.NDArray[np.int64] | None, batch_bytes: int | None
) -> Iterator[RawRows]:
    schema = block_schema(plan)
    start = 0
    for item in read_blocks(shard, batch_bytes):
        if not isinstance(item, Block):
            if wanted is None or start in wanted:
                yield _long(shard, plan, start, item)
            start += 1
        elif wanted is None:
            rows, n_rows = _block_rows(shard, plan, item, start, schema)
            start += n_rows
            yield rows
        else:
            lines = lines_of(item)
            picked = wanted[np.searchsorted(wanted, start) : np.searchsorted(wanted, start + len(lines))].tolist()
            if picked:
                yield _parsed(shard, plan, [(row, lines[row - start]) for row in picked])
            start += len(lines)


def _block_rows(
    shard: Shard, plan: InputPlan, block: Block, start: int, schema: pa.Schema | None
) -> tuple[RawRows, int]:
    """Return the rows of a block, the first of which has the index ``start``, and how many there are."""
    batch = None if schema is None else _columns(block, schema)
    if batch is None:
        lines = lines_of(block)
        return _parsed(shard, plan, enumerate(lines, start)), len(lines)
    passed, late = fit_table(batch, plan)
    consumed: dict[str, Column] = {name: batch.column(name) for name in plan.line_types}
    lines_once = functools.cache(functools.partial(lines_of, block))
    row = np.arange(start, start + batch.num_rows, dtype=np.int64)
    quarantine = Quarantine(shard.key, shard.source)
    return RawRows(row, consumed, passed, late, lambda place: lines_once()[place], quarantine), batch.num_rows


def block_schema(plan: InputPlan) -> pa.Schema | None:
    """Return the schema that blocks of lines are parsed under, or None where values need a look one by one."""
    if plan.line_types.get(plan.shape.id or "") == pa.float64():
        return None  # numbers too large for an integer: as floats two of them would be one id
    fields = []
    for name, kind in plan.line_types.items():
        fields.append((name, _block_type(kind, messages=True)))
    for name, item in zip(plan.columns, plan.schema, strict=True):
        fields.append((name, None if name in plan.json_columns else _block_type(item.type, messages=False)))
    return None if any(kind is None for _, kind in fields) else pa.schema(fields)


def _block_type(kind: pa.DataType, *, messages: bool) -> pa.DataType | None:
    if pa.types.is_null(kind) or is_text(kind):
        return pa.large_string()
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or kind == pa.float64():
        return kind
    if not is_list(kind):
        return None
    if messages and pa.types.is_struct(kind.value_type):
        return _message_type(kind.value_type)
    inner = _block_type(kind.value_type, messages=False)
    return None if inner is None or is_list(inner) else pa.list_(inner)


def _message_type(kind: pa.StructType) -> pa.DataType | None:
    """Messages whose keys are all text; others keep more of their JSON when they are parsed one by one."""
    names = [item.name for item in kind]
    plain = all(is_text(item.type) or pa.types.is_null(item.type) for item in kind)
    single = all(sum(key in names for key in keys) == 1 for keys in (ROLE_KEYS, CONTENT_KEYS))
    return pa.list_(pa.struct([(name, pa.large_string()) for name in names])) if plain and single else None


def _columns(block: Block, schema: pa.Schema) -> pa.RecordBatch | None:
    """Return the lines parsed as columns; None where any of them is not exactly what the schema says."""
    data = block.data
    if not _is_utf8(data) or (len(data) > MAX_ROW_BYTES and max(map(len, lines_of(block))) > MAX_ROW_BYTES):
        return None
    try:
        table = pj.read_json(
            io.BytesIO(data),
            read_options=pj.ReadOptions(use_threads=False, block_size=len(data) + 1),
            parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    # the parser takes two objects on a line, and an object on two lines, for rows; one by one they are not
    n_rows = block.count_if_objects()
    if table.num_rows == 0 or table.num_rows != (len(lines_of(block)) if n_rows is None else n_rows):
        return None
    return table.combine_chunks().to_batches()[0]


def _is_utf8(data: bytes) -> bool:
    one = pa.Array.from_buffers(
        pa.large_string(), 1, [None, pa.py_buffer(np.array([0, len(data)], np.int64)), pa.py_buffer(data)]
    )
    try:
        one.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _parsed(shard: Shard, plan: InputPlan, lines: Iterable[tuple[int, bytes]]) -> RawRows:
    """Return the lines parsed one by one; those that cannot be are quarantined."""
    quarantine = Quarantine(shard.key, shard.source)
    good: list[tuple[int, dict[str, Any], bytes]] = []
    for row, line in lines:
        if len(line) > MAX_ROW_BYTES:
            quarantine.add(row, "too_large", line)
            continue
        try:
            value = parsed_exactly(line)
        except orjson.JSONDecodeError as error:
            reason = "bad_json" if _is_utf8(line) else "invalid_utf8"
            quarantine.add(row, reason, line, detail=str(error) if reason == "bad_json" else None)
            continue
        if not isinstance(value, dict):
            quarantine.add(row, "bad_json", line)
        elif may_be_deep(line) and is_too_deep(value):
            quarantine.add(row, "bad_json", line, detail=TOO_DEEP)
        else:
            good.append((row, value, line))
    return _raw_rows(plan, good, quarantine)


def _raw_rows(plan: InputPlan, good: list[tuple[int, dict[str, Any], bytes]], quarantine: Quarantine) -> RawRows:
    values = [value for _, value, _ in good]
    passed, late = fit_rows(values, plan)
    consumed: dict[str, Any] = {name: [value.get(name) for value in values] for name in plan.shape.consumed}
    row = np.array([row for row, _, _ in good], np.int64)
    return RawRows(row, consumed, passed, late, lambda place: good[place][2], quarantine)


def _long(shard: Shard, plan: InputPlan, row: int, item: LongLine) -> RawRows:
    quarantine = Quarantine(shard.key, shard.source)
    quarantine.add_part(row, "too_large", item.head, item.size, item.blake3)
    return _raw_rows(plan, [], quarantine)


def _array_rows(
    shard: Shard, plan: InputPlan, wanted: npt.NDArray[np.int64] | None, batch_bytes: int | None
) -> Iterator[RawRows]:
    quarantine = Quarantine(shard.key, shard.source)
    good: list[tuple[int, dict[str, Any], bytes]] = []
    size = 0
    chosen = None if wanted is None else set(wanted.tolist())
    for row, item in enumerate(array_items(shard)):
        if chosen is not None and row not in chosen:
            continue
        raw = _dumped(item)
        size += len(raw)
        if isinstance(item, dict | list) and is_too_deep(item):
            quarantine.add(row, "bad_json", raw, detail=TOO_DEEP)
        elif not raw:
            quarantine.add(row, "invalid_utf8", repr(item).encode("utf-8", errors="surrogatepass"))
        elif len(raw) > MAX_ROW_BYTES:
            quarantine.add(row, "too_large", raw)
        elif isinstance(item, dict):
            good.append((row, exact(item), raw))
        else:
            quarantine.add(row, "bad_json", raw, detail="the element is not a JSON object")
        if size >= min(batch_bytes or BATCH_BYTES, BATCH_BYTES):
            yield _raw_rows(plan, good, quarantine)
            quarantine, good, size = Quarantine(shard.key, shard.source), [], 0
    if good or len(quarantine):
        yield _raw_rows(plan, good, quarantine)


def _dumped(item: Any) -> bytes:
    """Return the element as JSON, empty where its text has halves of surrogate pairs or it is nested too deep."""
    try:
        return orjson.dumps(item, default=float)  # decimals of an element that is nested too deep
    except orjson.JSONEncodeError:
        pass
    try:
        return orjson.dumps(exact(item)) if not isinstance(item, dict | list) or not is_too_deep(item) else b""
    except orjson.JSONEncodeError:
        return b""
