"""The one schema of an input: the union of what its files have, and the names that its columns pass through under."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from phrasemill.engine.ingest_columns import is_list, is_odd_list, is_text
from phrasemill.engine.ingest_dictionary import has_dictionaries, without_dictionaries
from phrasemill.schemas import tables
from phrasemill.schemas.errors import InputError

RESERVED: Final = frozenset({"id", "prompt", "chosen", "rejected", "completion", "messages", "label", "text"})
"""Column names with a meaning for us or for trainers: left over in an input they are renamed."""

SOURCE_PREFIX: Final = tables.PREFIX + "src_"

JSON: Final = pa.json_(pa.large_string())
"""Stands, until the schema is frozen, for values of JSON files that no column type holds; published as JSON text."""


@dataclass(frozen=True, slots=True)
class FileSchema:
    """The columns of one file, by name, in the file's order.

    ``types`` hold every value; ``usual`` are the types of most values, where a few odd rows have others.
    """

    path: str
    types: dict[str, pa.DataType]
    usual: dict[str, pa.DataType]


def output_name(name: str) -> str:
    """Return the name that an input column passes through under."""
    return SOURCE_PREFIX + name if name in RESERVED or name.startswith(tables.PREFIX) else name


def plain(kind: pa.DataType) -> pa.DataType:
    """Return the type that values are read as: without dictionaries at any depth, views and lists of one size."""
    if pa.types.is_dictionary(kind):
        return plain(kind.value_type)
    if is_odd_list(kind):
        return pa.large_list(plain(kind.value_type) if has_dictionaries(kind) else kind.value_type)
    if pa.types.is_string_view(kind):
        return pa.large_string()
    if pa.types.is_binary_view(kind):
        return pa.large_binary()
    return without_dictionaries(kind)


def frozen(kind: pa.DataType) -> pa.DataType:
    """Return the type that is published: nulls become text, so that a later shard may bring values."""
    if pa.types.is_null(kind) or kind == JSON:
        return pa.large_string()
    if is_list(kind):
        inner = frozen(kind.value_type)
        return kind if inner == kind.value_type else pa.large_list(inner)
    if pa.types.is_struct(kind):
        fields = [pa.field(item.name, frozen(item.type)) for item in kind]
        return pa.struct(fields) if fields else pa.large_string()
    return kind


def unify(first: pa.DataType, second: pa.DataType) -> pa.DataType | None:
    """Return the type that holds the values of both, or None where there is none."""
    if first == second or pa.types.is_null(second):
        return first
    if pa.types.is_null(first):
        return second
    if is_text(first) and is_text(second):
        return pa.large_string()
    if _is_bytes(first) and _is_bytes(second):
        return pa.large_binary()
    if pa.types.is_integer(first) and pa.types.is_integer(second):
        return _wider(first, second)
    if _is_number(first) and _is_number(second):
        return pa.float64()
    if is_list(first) and is_list(second):
        inner = unify(first.value_type, second.value_type)
        return None if inner is None else pa.large_list(inner)
    if pa.types.is_struct(first) and pa.types.is_struct(second):
        return _unify_structs(first, second)
    return None


def union(files: Iterable[FileSchema], but: Iterable[str] = ()) -> dict[str, pa.DataType]:
    """Return the columns of all files, without those in ``but``: in order, each with a type that holds all values.

    Raises:
        InputError: two files have types for a column that no type holds together.

    """
    skipped = set(but)
    merged: dict[str, pa.DataType] = {}
    seen_in: dict[str, str] = {}
    for file in files:
        for name, kind in file.types.items():
            if name in skipped:
                continue
            both = unify(merged.get(name, pa.null()), kind)
            if both is None:
                raise InputError(
                    f"column {name!r} is {_told(merged[name])} in {seen_in[name]} but {_told(kind)} in {file.path}; "
                    "one run needs one type for a column: convert one of the two, or run them apart"
                )
            if merged.get(name) != both:
                seen_in[name] = file.path
            merged[name] = both
    return merged


def usual_types(files: Iterable[FileSchema]) -> dict[str, pa.DataType]:
    """Return every column name with its first usual type that is not null, to tell a shape by."""
    merged: dict[str, pa.DataType] = {}
    for file in files:
        for name, kind in file.usual.items():
            if name not in merged or pa.types.is_null(merged[name]):
                merged[name] = kind
    return merged


def simple(file: FileSchema, *, json: bool) -> FileSchema:
    """Return the columns as they pass through: nested ones of a JSON file are ``JSON``, but for lists of scalars."""
    if not json:
        return file
    types = {name: JSON if _is_deep(kind) else kind for name, kind in file.types.items()}
    return FileSchema(file.path, types, file.usual)


def is_json_text(kind: pa.DataType) -> bool:
    """Whether values of this column are published as JSON text."""
    return bool(kind == JSON)


def passthrough(types: Mapping[str, pa.DataType]) -> pa.Schema:
    """Return the frozen schema of columns that pass through, under their output names."""
    return pa.schema([pa.field(output_name(name), frozen(kind)) for name, kind in types.items()])


def _is_deep(kind: pa.DataType) -> bool:
    if is_list(kind):
        return bool(pa.types.is_nested(kind.value_type) or kind.value_type == JSON)
    return bool(pa.types.is_nested(kind))


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _wider(first: pa.DataType, second: pa.DataType) -> pa.DataType | None:
    signed = [pa.types.is_signed_integer(kind) for kind in (first, second)]
    if signed[0] == signed[1]:
        return max(first, second, key=lambda kind: kind.bit_width)
    unsigned = second if signed[0] else first
    return pa.int64() if unsigned.bit_width < 64 else None


def _unify_structs(first: pa.StructType, second: pa.StructType) -> pa.DataType | None:
    types = {item.name: item.type for item in first}
    for item in second:
        both = unify(types.get(item.name, pa.null()), item.type)
        if both is None:
            return None
        types[item.name] = both
    return pa.struct(list(types.items()))


def _told(kind: pa.DataType) -> str:
    return "nested JSON" if kind == JSON else str(kind)
