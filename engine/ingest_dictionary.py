"""Texts that a Parquet file holds once and means often: how much they come to is known before they are written out.

A column may store its different values once and only number them in each row. A megabyte that every row points at takes
next to nothing in the file, and nothing in its footer says what the rows come to. Columns that could swell are read as
dictionaries, so that rows are measured, cut into batches and set apart while each value is still there only once.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from phrasemill.engine.ingest_columns import as_list, is_list, is_odd_list
from phrasemill.engine.ingest_footer import MAX_MEAN_ROW_BYTES, group_bytes, page_range, pages
from phrasemill.engine.source import is_remote, open_raw
from phrasemill.schemas.errors import InputError

MAX_SWELLING: Final = 1000
"""How many times what it unpacks to a column of a row group may come to, where that is more than ``FREE_BYTES``."""

FREE_BYTES: Final = 4 * 1024**3
"""What a column of a row group may come to however often it repeats itself: thousands of questions on one document."""


def swelling(path: str, footer: pq.FileMetaData, groups: Sequence[int], batch_bytes: int, batch_rows: int) -> list[str]:
    """Columns, as dotted paths, of which the values that are numbered come to more than two batches.

    A column that gave up numbering, as writers do where most values differ, is read as a dictionary only if it swells
    beyond its row group: all values of the group that are different would be held meanwhile. Not looked at are remote
    files, texts of extension types and of a fixed size, and what cannot be read, which is left to whoever reads the
    rows. ``batch_rows``: how many are read at a time meanwhile.

    Raises:
        InputError: a column comes to more than chat data can.

    """
    if is_remote(path):
        return []
    found: set[str] = set()
    with open_raw(path) as stream:
        for group in groups:
            rows = footer.row_group(group)
            for place in range(rows.num_columns):
                column = rows.column(place)
                if column.physical_type != "BYTE_ARRAY":
                    continue
                seen = _numbered(column, stream)
                most = seen.unpacked + max(2 * batch_bytes, group_bytes(rows) if seen.is_mixed else 0)
                # No value is longer than the whole dictionary.
                if seen.unpacked * seen.numbers <= most:
                    continue
                size = _size(path, footer, group, column.path_in_schema, seen.numbers, batch_rows)
                if size > max(MAX_SWELLING * group_bytes(rows), FREE_BYTES):
                    name = f"column {column.path_in_schema!r} of row group {group}"
                    raise InputError(
                        f"{path}: {name} comes to {size} bytes by repeating a few values, and the file has "
                        f"{group_bytes(rows)}; that is no chat data, take the file out of the input"
                    )
                if size > most:
                    found.add(column.path_in_schema)
    return sorted(found)


class _Numbered(NamedTuple):
    """Bytes of a column's dictionary, how many values are numbers of its entries, and whether others are not."""

    unpacked: int
    numbers: int
    is_mixed: bool


def _numbered(column: pq.ColumnChunkMetaData, stream: io.BufferedIOBase) -> _Numbered:
    """What the page headers say; where one cannot be read, all values may be numbers of long entries."""
    unpacked = numbers = 0
    is_mixed = False
    place, stop = page_range(column)
    for page in pages(column, stream):
        place = page.stop
        unpacked += page.unpacked if page.is_dictionary else 0
        numbers += max(page.numbers, 0)
        is_mixed |= not page.is_dictionary and not page.numbers
    if place < stop:
        return _Numbered(MAX_MEAN_ROW_BYTES, max(column.num_values, 0), is_mixed=True)
    return _Numbered(unpacked, numbers, is_mixed)


def _size(path: str, footer: pq.FileMetaData, group: int, name: str, numbers: int, batch_rows: int) -> int:
    """Bytes that the first ``numbers`` values of a column come to, as far as they can be read as a dictionary."""
    size = 0
    try:
        with pq.ParquetFile(path, metadata=footer, read_dictionary=[name], pre_buffer=False) as file:
            for batch in file.iter_batches(batch_rows, row_groups=[group], columns=[name], use_threads=False):
                for array in _dictionaries(batch.columns):
                    used = compact(array)
                    lengths = pc.fill_null(pc.binary_length(used.dictionary), 0).to_numpy().astype(np.int64)
                    size += int(counted(used, lengths, 0).sum())
                    numbers -= len(array)
                if numbers <= 0:
                    break
    except (OSError, pa.ArrowException):
        return size
    return size


def _dictionaries(arrays: Sequence[pa.Array]) -> list[pa.DictionaryArray]:
    """Every dictionary array of text in the arrays, at any depth."""
    found: list[pa.DictionaryArray] = []
    for array in arrays:
        if pa.types.is_dictionary(array.type):
            found.append(array)
        elif pa.types.is_struct(array.type):
            found += _dictionaries([array.field(place) for place in range(array.type.num_fields)])
        elif pa.types.is_map(array.type):
            found += _dictionaries([array.keys, array.items])
        elif is_list(array.type) or is_odd_list(array.type):
            found += _dictionaries([as_list(array).values])
    return found


def has_dictionaries(kind: pa.DataType) -> bool:
    """Whether values of this type are, or have in them, a dictionary's."""
    return pa.types.is_dictionary(kind) or any(
        has_dictionaries(kind.field(place).type) for place in range(kind.num_fields)
    )


def without_dictionaries(kind: pa.DataType) -> pa.DataType:
    """The type of what ``written_out`` makes of such an array."""
    if pa.types.is_dictionary(kind):
        return without_dictionaries(kind.value_type)
    if not has_dictionaries(kind):
        return kind
    if pa.types.is_map(kind):
        return pa.map_(without_dictionaries(kind.key_type), without_dictionaries(kind.item_type))
    if pa.types.is_struct(kind):
        fields = [kind.field(place) for place in range(kind.num_fields)]
        return pa.struct([field.with_type(without_dictionaries(field.type)) for field in fields])
    inner = kind.value_field.with_type(without_dictionaries(kind.value_type))
    return pa.list_(inner) if pa.types.is_list(kind) else pa.large_list(inner)


def written_out(array: pa.Array) -> pa.Array:
    """The array with every value in its place. Only the rows of a slice are written out."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        return written_out(array.dictionary.take(array.indices))
    if not has_dictionaries(kind):
        return array
    if is_odd_list(kind):
        return written_out(as_list(array))
    new = without_dictionaries(kind)
    mask = array.is_null() if array.null_count else None
    if pa.types.is_struct(kind):
        parts = [written_out(array.field(place)) for place in range(kind.num_fields)]
        return pa.StructArray.from_arrays(parts, fields=list(new), mask=mask)
    offsets = array.offsets.to_numpy()
    first, stop = int(offsets[0]), int(offsets[-1])
    places = pa.array((offsets - first).astype(offsets.dtype))
    if pa.types.is_map(kind):
        keys, items = (written_out(part.slice(first, stop - first)) for part in (array.keys, array.items))
        return pa.MapArray.from_arrays(places, keys, items, type=new, mask=mask)
    values = written_out(array.values.slice(first, stop - first))
    made = pa.LargeListArray if pa.types.is_large_list(kind) else pa.ListArray
    return made.from_arrays(places, values, type=new, mask=mask)


def compact(array: pa.DictionaryArray) -> pa.DictionaryArray:
    """The array with the entries that it uses, where its dictionary is longer than itself."""
    if len(array.dictionary) <= len(array):
        return array
    indices = array.indices.cast(pa.int64())
    used = pc.unique(indices.drop_null())
    places = pc.index_in(indices, value_set=used)
    return pa.DictionaryArray.from_arrays(places, array.dictionary.take(used))


def counted(array: pa.DictionaryArray, values: np.typing.NDArray[Any], null: Any) -> np.typing.NDArray[Any]:
    """What ``values`` say of a dictionary's entries, for every value of the array; ``null`` for nulls."""
    indices = pc.fill_null(array.indices.cast(pa.int64()), len(values)).to_numpy()
    return np.asarray(np.append(values, null)[indices])
