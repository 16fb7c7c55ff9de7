"""A Parquet row that cannot be used, as JSON: its beginning, size and hash, without ever holding the whole of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import blake3
import pyarrow as pa

from phrasemill.engine.ingest_columns import is_list, is_text
from phrasemill.engine.ingest_quarantine import MAX_RAW_BYTES

_STEP: Final = 1024 * 1024


def raw_part(batch: pa.RecordBatch, place: int) -> tuple[bytes, int, str]:
    """Return the first ``MAX_RAW_BYTES`` of a row's JSON, all its bytes, and their blake3 in hex.

    Text keeps its bytes, valid or not; binary values are shown as text.
    """
    head, size, hasher = bytearray(), 0, blake3.blake3()
    for piece in _object(batch.schema.names, batch.columns, place):
        head += piece[: MAX_RAW_BYTES - len(head)]
        size += len(piece)
        hasher.update(piece)
    return bytes(head), size, hasher.hexdigest()


def _object(names: list[str], columns: list[pa.Array], place: int) -> Iterator[bytes]:
    yield b"{"
    for number, (name, column) in enumerate(zip(names, columns, strict=True)):
        yield (b", " if number else b"") + _dumped(name) + b": "
        yield from _value(column, place)
    yield b"}"


def _value(array: pa.Array, place: int) -> Iterator[bytes]:
    value, kind = array[place], array.type
    if pa.types.is_dictionary(kind) and value.is_valid:
        yield from _value(array.dictionary, value.index.as_py())
    elif not value.is_valid:
        yield b"null"
    elif is_text(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        yield from _text(memoryview(value.as_buffer()))
    elif pa.types.is_map(kind):
        yield b"["
        for number in range(len(value.values)):
            yield b", [" if number else b"["
            yield from _value(value.values.field(0), number)
            yield b", "
            yield from _value(value.values.field(1), number)
            yield b"]"
        yield b"]"
    elif is_list(kind):
        yield b"["
        for number in range(len(value.values)):
            yield b", " if number else b""
            yield from _value(value.values, number)
        yield b"]"
    elif pa.types.is_struct(kind):
        yield from _object([item.name for item in kind], [array.field(at) for at in range(kind.num_fields)], place)
    else:
        yield _dumped(value.as_py())


def _text(data: memoryview) -> Iterator[bytes]:
    yield b'"'
    start = 0
    while start < len(data):
        stop = min(start + _STEP, len(data))
        while stop < len(data) and stop > start + _STEP - 4 and data[stop] & 0xC0 == 0x80:
            stop -= 1  # no code point is torn apart
        yield _dumped(str(data[start:stop], "utf-8", "surrogateescape"))[1:-1]
        start = stop
    yield b'"'


def _dumped(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text.encode("utf-8", errors="surrogateescape")
