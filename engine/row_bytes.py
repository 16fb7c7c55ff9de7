"""How large rows are: the bytes of their values at any depth, whatever buffers those stand in."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from phrasemill.engine.ingest_columns import is_list, is_text
from phrasemill.engine.ingest_dictionary import compact, counted

Sizes: TypeAlias = npt.NDArray[np.int64]

VALUE_BYTES: Final = 8
"""What every value counts beside its text: its place in a column, or the number itself."""


def row_bytes(table: pa.Table) -> Sizes:
    """Bytes of every row: its text and ``VALUE_BYTES`` a value. It does not matter how the rows are cut into chunks."""
    sizes = np.zeros(len(table), np.int64)
    for column in table.columns:
        sizes += np.concatenate([np.zeros(0, np.int64), *(value_bytes(chunk, VALUE_BYTES) for chunk in column.chunks)])
    return sizes


def value_bytes(array: pa.Array, each: int = 0) -> Sizes:
    """Bytes of text, valid or not, in every value, and ``each`` more for every value in it that is no list or struct.

    Returns one number for each value of ``array``. Nulls count as one value without text.
    """
    kind = array.type
    if pa.types.is_dictionary(kind):
        used = compact(array)
        return counted(used, value_bytes(used.dictionary, each), each)
    if is_text(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return _text_bytes(array) + each
    if is_list(kind):
        return _without_nulls(_sums(value_bytes(array.values, each), array.offsets.to_numpy()), array, each)
    if pa.types.is_map(kind):
        inner = value_bytes(array.keys, each) + value_bytes(array.items, each)
        return _without_nulls(_sums(inner, array.offsets.to_numpy()), array, each)
    if pa.types.is_struct(kind):
        sizes = np.zeros(len(array), np.int64)
        for place in range(kind.num_fields):
            sizes += value_bytes(array.field(place), each)
        return _without_nulls(sizes, array, each)
    return np.full(len(array), each, np.int64)


def _text_bytes(array: pa.Array) -> Sizes:
    if pa.types.is_string_view(array.type) or pa.types.is_binary_view(array.type):
        array = array.cast(pa.large_binary())
    return np.asarray(pc.fill_null(pc.binary_length(array), 0).to_numpy()).astype(np.int64)


def _sums(sizes: Sizes, offsets: npt.NDArray[np.integer]) -> Sizes:
    """The sums of ``sizes`` between each two neighbouring offsets."""
    total = np.concatenate([[0], np.cumsum(sizes)])
    return np.asarray(total[offsets[1:]] - total[offsets[:-1]])


def _without_nulls(sizes: Sizes, array: pa.Array, each: int) -> Sizes:
    """What lies below a null is no value."""
    if not array.null_count:
        return sizes
    return np.where(array.is_null().to_numpy(zero_copy_only=False), each, sizes)
