"""Texts that a Parquet file holds once and means often: how much they come to is known before they are written out.

A column may store its different values once and only number them in each row. A megabyte that every row points at takes
next to nothing in the file, and nothing in its footer says what the rows come to. Columns that could swell are read as
dictionaries, so that rows are measured, cut into batches and set apart while each value is still there only once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from phrasemill.engine.ingest_columns import is_list
from phrasemill.engine.ingest_footer import MAX_MEAN_ROW_BYTES, group_bytes, pages
from phrasemill.engine.source import is_remote, open_raw
from phrasemill.schemas.errors import InputError

MAX_SWELLING: Final = 1000
"""How many times what they unpack to rows may come to. Data in which every row has the same long prompt stays below."""

_SMALL_ROW: Final = 64 * 1024
"""Rows of this size are read however much they have swollen."""


def swelling(path: str, footer: pq.FileMetaData, groups: Sequence[int], batch_bytes: int, batch_rows: int) -> list[str]:
    """Columns, as dotted paths, of which the values that are numbered come to more than two batches.

    A column that gave up numbering, as writers do where most values differ, is read as a dictionary only if it swells
    beyond its row group: all values of the group that are different would be held meanwhile. Not looked at are remote
    files, and what cannot be read, which is left to whoever reads the rows.
    """
    if is_remote(path):
        return []
    found: set[str] = set()
    with open_raw(path) as stream:
        for group in groups:
            rows = footer.row_group(group)
            for place in range(rows.num_columns):
                column = rows.column(place)
                name = column.path_in_schema
                if name in found or column.physical_type != "BYTE_ARRAY" or not column.has_dictionary_page:
                    continue
                seen = list(pages(column, stream))
                unpacked = sum(page.unpacked for page in seen if page.is_dictionary)
                numbers = sum(page.numbers for page in seen)
                is_mixed = any(not page.is_dictionary and not page.numbers for page in seen)
                most = unpacked + max(2 * batch_bytes, group_bytes(rows) if is_mixed else 0)
                # No value is longer than the whole dictionary.
                if unpacked * numbers > most and _exceeds(path, footer, group, name, numbers, most, batch_rows):
                    found.add(name)
    return sorted(found)


def check_swelling(path: str, footer: pq.FileMetaData, groups: Sequence[int], n_rows: int, size: int) -> None:
    """Refuse ``n_rows`` rows of these row groups that come to ``size`` bytes.

    Raises:
        InputError: that is more than rows of chat data have.

    """
    unpacked = sum(group_bytes(footer.row_group(group)) for group in groups)
    rows = max(sum(footer.row_group(group).num_rows for group in groups), 1)
    most = min(max(MAX_SWELLING * unpacked // rows, _SMALL_ROW), MAX_MEAN_ROW_BYTES)
    if size > most * n_rows:
        raise InputError(
            f"{path}: {n_rows} rows come to {size} bytes by repeating a few values, and {most} a row are the most "
            f"where the file has {unpacked // rows}; that is no chat data, take the file out of the input"
        )


def _exceeds(
    path: str, footer: pq.FileMetaData, group: int, name: str, numbers: int, most: int, batch_rows: int
) -> bool:
    """Whether the first ``numbers`` values of a column come to more than ``most`` bytes."""
    size = 0
    try:
        with pq.ParquetFile(path, metadata=footer, read_dictionary=[name], pre_buffer=False) as file:
            for batch in file.iter_batches(batch_rows, row_groups=[group], columns=[name], use_threads=False):
                for array in _dictionaries(batch.columns):
                    lengths = pc.fill_null(pc.binary_length(array.dictionary), 0).to_numpy().astype(np.int64)
                    size += int(counted(array, lengths, 0).sum())
                    numbers -= len(array)
                if size > most or numbers <= 0:
                    break
    except (OSError, pa.ArrowException):
        return False
    return size > most


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
        elif is_list(array.type):
            found += _dictionaries([array.values])
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
    return pa.large_list(inner) if pa.types.is_large_list(kind) else pa.list_(inner)


def written_out(array: pa.Array) -> pa.Array:
    """The array with every value in its place. Only the rows of a slice are written out."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        return written_out(array.dictionary.take(array.indices))
    if not has_dictionaries(kind):
        return array
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


def counted(array: pa.DictionaryArray, values: np.typing.NDArray[Any], null: Any) -> np.typing.NDArray[Any]:
    """What ``values`` say of a dictionary's entries, for every value of the array; ``null`` for nulls."""
    indices = pc.fill_null(array.indices.cast(pa.int64()), len(values)).to_numpy()
    return np.asarray(np.append(values, null)[indices])
