"""What can be known of a file without reading it: Parquet footers, and the first rows of JSON files."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import ijson
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from phrasemill.engine.ingest_depth import MAX_DEPTH, is_too_deep, may_be_deep, type_is_too_deep
from phrasemill.engine.ingest_lines import elements
from phrasemill.engine.ingest_numbers import parsed_whole
from phrasemill.engine.ingest_schema import JSON, FileSchema, plain, unify
from phrasemill.engine.source import STREAM_ERRORS, SourceFile, open_plain, open_raw
from phrasemill.schemas.errors import InputError

SAMPLE_BYTES: Final = 4 * 1024 * 1024
"""How much of a JSON file its column types are told from."""

MAX_SAMPLE_BYTES: Final = 32 * 1024 * 1024
"""How far a sample may grow where not one row ends within ``SAMPLE_BYTES``."""

_INT64: Final = range(-(2**63), 2**63)


def read_footer(path: str) -> pq.FileMetaData:
    """Return the footer of a Parquet file.

    Raises:
        InputError: the file is not whole, is encrypted, or is not Parquet.

    """
    try:
        with open_raw(path) as stream:
            return pq.read_metadata(stream)
    except (OSError, pa.ArrowException, UnicodeError) as error:
        raise InputError(f"{path}: not a readable Parquet file: {error}") from error


def parquet_schema(path: str, footer: pq.FileMetaData) -> FileSchema:
    """Return the columns of a Parquet file.

    Raises:
        InputError: two columns have the same name, a type is nested too deep, or the schema cannot be read.

    """
    try:
        schema = footer.schema.to_arrow_schema()
        names = schema.names
    except (pa.ArrowException, ValueError) as error:
        raise InputError(f"{path}: not a readable Parquet file: {error}") from error
    deep = next((item.name for item in schema if type_is_too_deep(item.type)), None)
    if deep is not None:
        raise InputError(
            f"{path}: column {deep!r} is nested more than {MAX_DEPTH} levels deep; take it out of the file"
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"{path}: column {twice[0]!r} is there more than once; names must be unique")
    types = {item.name: plain(item.type) for item in schema}
    return FileSchema(path, types, types)


def json_schema(file: SourceFile) -> FileSchema:
    """Return the columns of a JSON file, told from its first rows. A column of mixed types has the type ``JSON``.

    Raises:
        InputError: the file cannot be read.

    """
    seen: dict[str, list[_Group]] = {}
    for row in _first_rows(file):
        for name, value in row.items():
            _count(seen.setdefault(name, []), value_type(value))
    types = {name: groups[0].kind if len(groups) == 1 else JSON for name, groups in seen.items()}
    usual = {name: max(groups, key=lambda group: group.count).kind for name, groups in seen.items()}
    return FileSchema(file.path, types, usual)


@dataclass(slots=True)
class _Group:
    """Values that one type holds, and how many there are."""

    kind: pa.DataType
    count: int = 1


def _count(groups: list[_Group], kind: pa.DataType) -> None:
    """Count a value's type in the first group that can hold it, or in a new one."""
    for group in groups:
        both = unify(group.kind, kind)
        if both is not None:
            group.kind = both
            group.count += 1
            return
    groups.append(_Group(kind))


def value_type(value: Any) -> pa.DataType:
    """Return the column type of one JSON value; ``JSON`` where a list or object has mixed contents."""
    if value is None:
        return pa.null()
    if isinstance(value, bool):
        return pa.bool_()
    if isinstance(value, int):
        return pa.int64() if value in _INT64 else JSON
    if isinstance(value, float):
        return pa.float64()
    if isinstance(value, str):
        return pa.large_string()
    if isinstance(value, list):
        inner = _common(value_type(item) for item in value)
        return JSON if inner is None else pa.large_list(inner)
    return pa.struct([pa.field(name, value_type(item)) for name, item in value.items()])


def _common(kinds: Iterable[pa.DataType]) -> pa.DataType | None:
    common = pa.null()
    for kind in kinds:
        both = unify(common, kind)
        if both is None:
            return None
        common = both
    return common


def _first_rows(file: SourceFile) -> Iterator[dict[str, Any]]:
    head, cut = _head(file, SAMPLE_BYTES)
    rows = _rows_in(file, head, cut=cut)
    if not rows and cut:
        rows = _rows_in(file, *_head(file, MAX_SAMPLE_BYTES))
    yield from rows


def _head(file: SourceFile, limit: int) -> tuple[bytes, bool]:
    """Return the first bytes after decompression, and whether more follow. A broken stream gives what came before."""
    head = bytearray()
    try:
        with open_plain(file.path, file.compression) as stream:
            while len(head) <= limit and (chunk := stream.read1(1024 * 1024)):
                head += chunk
    except STREAM_ERRORS as error:
        if not head:
            raise InputError(f"{file.path}: cannot be read: {error}") from error
        return bytes(head), True
    return bytes(head[:limit]).removeprefix(b"\xef\xbb\xbf"), len(head) > limit


def _rows_in(file: SourceFile, head: bytes, cut: bool) -> list[dict[str, Any]]:
    if file.kind == "json":
        return list(_array_rows(head))
    lines = head.split(b"\n")
    if cut:
        lines = lines[:-1]
    return list(_line_rows(lines))


def _line_rows(lines: list[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            row = parsed_whole(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(row, dict) and not (may_be_deep(line) and is_too_deep(row)):
            yield row


def _array_rows(head: bytes) -> Iterator[dict[str, Any]]:
    try:
        for row in elements(lambda: io.BytesIO(head)):
            if isinstance(row, dict) and not is_too_deep(row):
                yield row
    except (EOFError, ijson.JSONError, UnicodeError):
        return
