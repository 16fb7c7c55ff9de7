"""Column surgery on batches: other contents in message lists, short lists per row, constants. No object per row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from phrasemill.schemas.tables import MESSAGE, MESSAGES


def single(table: pa.Table, name: str) -> pa.Array:
    """A column as one array."""
    column = table[name]
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def replace_contents(messages: pa.LargeListArray, texts: Mapping[tuple[int, int], str]) -> pa.LargeListArray:
    """Message lists in which turn ``turn`` of row ``row`` says ``texts[row, turn]``; all others are as they were."""
    if not texts:
        return messages
    flat = messages.flatten()
    lengths = list_lengths(messages)
    first = np.concatenate([[0], np.cumsum(lengths)])
    places = sorted((int(first[row]) + turn, text) for (row, turn), text in texts.items())
    mask = np.zeros(len(flat), dtype=np.bool_)
    mask[[place for place, _ in places]] = True
    said = pa.array([text for _, text in places], pa.large_string())
    content = pc.replace_with_mask(flat.field(1), pa.array(mask), said)
    struct = pa.StructArray.from_arrays([flat.field(0), content], fields=list(MESSAGE))
    return pa.LargeListArray.from_arrays(pa.array(first, pa.int64()), struct).cast(MESSAGES)


def join_lists(first: pa.LargeListArray, second: pa.LargeListArray) -> pa.LargeListArray:
    """Per row, the messages of ``first`` and then those of ``second``."""
    lengths_first, lengths_second = list_lengths(first), list_lengths(second)
    total = lengths_first + lengths_second
    starts = np.concatenate([[0], np.cumsum(total)])
    flat = pa.concat_arrays([first.flatten(), second.flatten()])
    order = np.empty(len(flat), dtype=np.int64)
    order[_places(starts[:-1], lengths_first)] = np.arange(int(lengths_first.sum()))
    order[_places(starts[:-1] + lengths_first, lengths_second)] = np.arange(int(lengths_first.sum()), len(flat))
    return pa.LargeListArray.from_arrays(pa.array(starts, pa.int64()), flat.take(pa.array(order))).cast(MESSAGES)


def list_lengths(lists: pa.LargeListArray) -> npt.NDArray[np.int64]:
    """Elements per row."""
    return np.asarray(pc.list_value_length(lists).to_numpy(zero_copy_only=False), dtype=np.int64)


def string_lists(n_rows: int, values: Mapping[int, Sequence[str]]) -> pa.LargeListArray:
    """A list of strings per row: ``values[row]``, empty where a row has none."""
    lengths = np.zeros(n_rows, dtype=np.int64)
    flat: list[str] = []
    for row in sorted(values):
        lengths[row] = len(values[row])
        flat.extend(values[row])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return pa.LargeListArray.from_arrays(pa.array(starts, pa.int64()), pa.array(flat, pa.large_string()))


def choices(codes: npt.NDArray[np.int64], names: Sequence[str]) -> pa.LargeStringArray:
    """``names[code]`` for every code."""
    return pa.array(names, pa.large_string()).take(pa.array(codes))


def constant(value: str | None, n_rows: int) -> pa.LargeStringArray:
    """The same text in every row."""
    if value is None:
        return pa.nulls(n_rows, pa.large_string())
    return pa.array([value], pa.large_string()).take(pa.array(np.zeros(n_rows, dtype=np.int64)))


def sparse_strings(n_rows: int, values: Mapping[int, str]) -> pa.LargeStringArray:
    """``values[row]`` per row, null where a row has none."""
    index = np.full(n_rows, -1, dtype=np.int64)
    rows = sorted(values)
    index[rows] = np.arange(len(rows))
    return pa.array([values[row] for row in rows], pa.large_string()).take(pa.array(index, mask=index < 0))


def _places(starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """All indices of the ranges ``starts`` with ``lengths``, in order."""
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))
