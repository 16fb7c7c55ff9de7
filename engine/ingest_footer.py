"""What a Parquet footer says, held against the file: where its pages lie, and what they unpack to.

A footer is under no checksum, and a reader trusts it. A file that lost its head or a piece of its middle is found here
before anything is read, and so is one that unpacks to more than rows of chat data can have. The pages tell how much
that is: some writers leave the sizes in the footer at 0.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import pyarrow.parquet as pq

from phrasemill.engine.source import is_remote, open_raw
from phrasemill.schemas.errors import InputError

MAX_MEAN_ROW_BYTES: Final = 64 * 1024 * 1024
"""A row group whose rows are larger on average is refused, before it is unpacked."""

MAX_HEADER_DEPTH: Final = 8
"""Structs inside each other in a page header; the format has three."""

_MAGIC: Final = b"PAR1"
_TAIL_BYTES: Final = 8
_HEADER_BYTES: Final = 1024
_MAX_HEADER_BYTES: Final = 16 * 1024 * 1024


def check_footer(path: str, footer: pq.FileMetaData, size: int) -> None:
    """Compare the footer of a file of ``size`` bytes with the file. Page headers of remote files are not looked at.

    Raises:
        InputError: the file is not whole, or unpacks to more than rows of chat data.

    """
    with open_raw(path) as stream:
        if stream.read(4) != _MAGIC:
            raise InputError(f"{path}: not a readable Parquet file: it does not begin like one; restore the file")
        _check_length(path, footer, stream, size)
        for group in range(footer.num_row_groups):
            rows = footer.row_group(group)
            if not rows.num_rows:
                continue
            unpacked = rows.total_byte_size
            for place in range(rows.num_columns):
                column = rows.column(place)
                _check_place(path, group, column, size - _TAIL_BYTES - footer.serialized_size)
                if not is_remote(path):
                    unpacked += _understated(path, group, column, stream, rows.num_rows)
            if unpacked > MAX_MEAN_ROW_BYTES * rows.num_rows:
                raise InputError(
                    f"{path}: the {rows.num_rows} rows of row group {group} unpack to {unpacked} bytes, more than "
                    f"{MAX_MEAN_ROW_BYTES} a row; that is no chat data, take the file out of the input"
                )


def largest_page(paths: Iterable[str]) -> int:
    """Bytes that the largest page of local Parquet files unpacks to: a reader holds it as a whole. 0 without pages."""
    largest = 0
    for path in paths:
        if not is_remote(path):
            with open_raw(path) as stream:
                footer = pq.read_metadata(stream)
                for group in range(footer.num_row_groups):
                    rows = footer.row_group(group)
                    for place in range(rows.num_columns):
                        largest = max([largest, *(page.unpacked for page in pages(rows.column(place), stream))])
    return largest


def group_bytes(rows: pq.RowGroupMetaData) -> int:
    """Bytes that a row group unpacks to at least: what the footer says, or what its columns take packed."""
    packed = sum(rows.column(place).total_compressed_size for place in range(rows.num_columns))
    return int(max(rows.total_byte_size, packed))


def _check_length(path: str, footer: pq.FileMetaData, stream: io.BufferedIOBase, size: int) -> None:
    """The footer ends where it says: a signed one, of a file with encrypted columns, has its signature behind it.

    To look at an encrypted column, even only for its place, would end the process.
    """
    stream.seek(size - _TAIL_BYTES)
    length = int.from_bytes(stream.read(4), "little")
    if length != footer.serialized_size:
        raise InputError(
            f"{path}: not a readable Parquet file: its footer has {footer.serialized_size} bytes and {length} were "
            "announced, as where columns are encrypted; decrypt or restore the file"
        )


def _check_place(path: str, group: int, column: pq.ColumnChunkMetaData, end: int) -> None:
    start, stop = page_range(column)
    if not (len(_MAGIC) <= start <= stop <= end) or column.num_values < 0:
        raise InputError(
            f"{path}: not a readable Parquet file: column {column.path_in_schema!r} of row group {group} is said to "
            f"lie at bytes {start}-{stop}, but the footer begins at {end}; restore the file"
        )


def page_range(column: pq.ColumnChunkMetaData) -> tuple[int, int]:
    """The bytes of a column's pages, dictionary included."""
    start = column.data_page_offset
    if column.has_dictionary_page and 0 < (column.dictionary_page_offset or 0) < start:
        start = column.dictionary_page_offset
    return start, start + column.total_compressed_size


def _understated(path: str, group: int, column: pq.ColumnChunkMetaData, stream: io.BufferedIOBase, n_rows: int) -> int:
    """Bytes that the pages of a column unpack to beyond what the footer says."""
    unpacked = sum(page.unpacked for page in pages(column, stream))
    beyond = max(unpacked - max(int(column.total_uncompressed_size), 0), 0)
    if not beyond or unpacked <= MAX_MEAN_ROW_BYTES * n_rows:
        return beyond
    raise InputError(
        f"{path}: column {column.path_in_schema!r} of row group {group} unpacks to {unpacked} bytes, but the footer "
        f"says {column.total_uncompressed_size}, and {MAX_MEAN_ROW_BYTES} a row are the most; take the file out of the "
        "input"
    )


class Page(NamedTuple):
    """What a page header says: sizes in bytes, and what its values are. ``stop``: where in the file the page ends.

    ``is_dictionary``: it holds the values that others number; ``numbers``: how many values it only numbers, 0 where it
    holds its own.
    """

    unpacked: int
    packed: int
    is_dictionary: bool
    numbers: int
    stop: int = 0


def pages(column: pq.ColumnChunkMetaData, stream: io.BufferedIOBase) -> Iterator[Page]:
    """What each page header of a column says, up to one that cannot be read: whoever decodes it says so."""
    place, stop = page_range(column)
    while place < stop:
        length = _HEADER_BYTES
        while True:
            stream.seek(place)
            data = stream.read(min(length, stop - place))
            try:
                page, used = _page_header(data)
                break
            except IndexError:
                length *= 16
                if len(data) == stop - place or length > _MAX_HEADER_BYTES:
                    return
            except ValueError:
                return
        if page.packed < 0 or page.unpacked < 0:
            return
        place += used + page.packed
        yield page._replace(stop=place)


_STOP, _TRUE, _FALSE, _BYTE, _I32, _I64, _DOUBLE, _BINARY = 0, 1, 2, 3, 5, 6, 7, 8
_LIST, _SET, _MAP, _STRUCT = 9, 10, 11, 12
_LONG_LIST: Final = 15
_UNPACKED_FIELD, _PACKED_FIELD, _DATA_FIELD, _DICTIONARY_FIELD, _DATA_2_FIELD = 2, 3, 5, 7, 8
_ENCODING_FIELD: Final = {_DATA_FIELD: 2, _DATA_2_FIELD: 4}
_DICTIONARY_ENCODINGS: Final = (2, 8)


def _page_header(data: bytes) -> tuple[Page, int]:
    """What a page header says, and its length. It is a struct in Thrift's compact protocol.

    Raises:
        IndexError: it is longer than the data.
        ValueError: it is no such struct.

    """
    fields = list(_fields(data, 0))
    sizes = _integers(data, fields)
    if not {_UNPACKED_FIELD, _PACKED_FIELD} <= sizes.keys():
        raise ValueError("the sizes of a page are missing")
    about = {number: _integers(data, _fields(data, start)) for number, kind, start, _ in fields if kind == _STRUCT}
    numbers = 0
    for number, encoding in _ENCODING_FIELD.items():
        if about.get(number, {}).get(encoding) in _DICTIONARY_ENCODINGS:
            numbers = about[number].get(1, 0)
    page = Page(sizes[_UNPACKED_FIELD], sizes[_PACKED_FIELD], _DICTIONARY_FIELD in about, numbers)
    return page, fields[-1][3] + 1


def _integers(data: bytes, fields: Iterable[tuple[int, int, int, int]]) -> dict[int, int]:
    """The 32-bit integers among the fields of a struct, by number."""
    found = {number: _varint(data, start)[0] for number, kind, start, _ in fields if kind == _I32}
    return {number: (value >> 1) ^ -(value & 1) for number, value in found.items()}


def _fields(data: bytes, place: int, depth: int = 0) -> Iterator[tuple[int, int, int, int]]:
    """Number, kind, start and stop of each field of a struct; the byte after the last one ends it."""
    if depth > MAX_HEADER_DEPTH:
        raise ValueError("structs are nested too deep")
    number = 0
    while (head := data[place]) != _STOP:
        place += 1
        if head >> 4:
            number += head >> 4
        else:
            value, place = _varint(data, place)
            number = (value >> 1) ^ -(value & 1)
        stop = _skip(data, place, head & 15, depth)
        yield number, head & 15, place, stop
        place = stop


def _skip(data: bytes, place: int, kind: int, depth: int) -> int:
    """The place behind a value of this kind. Kinds that no page header needs may stand in a field that nobody knows."""
    if kind in (_TRUE, _FALSE):
        return place
    if kind == _BYTE:
        return place + 1
    if kind <= _I64:
        return _varint(data, place)[1]
    if kind == _DOUBLE:
        return place + 8
    if kind == _BINARY:
        length, place = _varint(data, place)
        return place + length
    if kind == _STRUCT:
        stops = [place, *(stop for _, _, _, stop in _fields(data, place, depth + 1))]
        return stops[-1] + 1
    if kind in (_LIST, _SET, _MAP):
        return _skip_several(data, place, kind, depth + 1)
    raise ValueError(f"got a value of kind {kind}")


def _skip_several(data: bytes, place: int, kind: int, depth: int) -> int:
    """The place behind a list, set or map, whose size and kinds of values come first."""
    if depth > MAX_HEADER_DEPTH:
        raise ValueError("lists are nested too deep")
    kinds: tuple[int, ...]
    if kind == _MAP:
        size, place = _varint(data, place)
        kinds = (data[place] >> 4, data[place] & 15) if size else ()
        place += 1 if size else 0
    else:
        size, kinds = data[place] >> 4, (data[place] & 15,)
        place += 1
        if size == _LONG_LIST:
            size, place = _varint(data, place)
    for _ in range(size):
        for each in kinds:
            place = place + 1 if each in (_TRUE, _FALSE) else _skip(data, place, each, depth)
        if place > len(data):
            raise IndexError
    return place


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, place
        if shift > 63:
            raise ValueError("a number is too long")
