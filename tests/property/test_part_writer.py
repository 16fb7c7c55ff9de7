"""A part file's bytes depend on its rows, not on the batches they came in; rows count the same however they are cut."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phrasemill.engine import part_writer
from phrasemill.engine.part_writer import PartWriter
from phrasemill.engine.row_bytes import VALUE_BYTES, row_bytes, value_bytes

MESSAGE = pa.struct([("role", pa.large_string()), ("content", pa.large_string())])
SCHEMA = pa.schema(
    [
        ("id", pa.large_string()),
        ("messages", pa.large_list(MESSAGE)),
        ("n", pa.int64()),
        ("tags", pa.list_(pa.string())),
        ("blob", pa.binary()),
    ]
)
TEXT = st.none() | st.text(max_size=8) | st.sampled_from(["x" * 700, "y" * 5000])
ROW = st.fixed_dictionaries(
    {
        "id": st.none() | st.text(max_size=3),
        "messages": st.none()
        | st.lists(st.none() | st.fixed_dictionaries({"role": TEXT, "content": TEXT}), max_size=3),
        "n": st.none() | st.integers(0, 9),
        "tags": st.none() | st.lists(TEXT, max_size=2),
        "blob": st.none() | st.binary(max_size=4),
    }
)


def batches(rows: Sequence[dict[str, Any]], cuts: Iterable[int]) -> list[pa.Table]:
    """The rows in pieces: every second one built for itself, the others slices of one table."""
    bounds = sorted({0, len(rows), *(cut % (len(rows) + 1) for cut in cuts)})
    whole = pa.Table.from_pylist(list(rows), SCHEMA)
    return [
        pa.Table.from_pylist(list(rows[start:stop]), SCHEMA) if number % 2 else whole.slice(start, stop - start)
        for number, (start, stop) in enumerate(pairwise(bounds))
    ]


def written(folder: str, name: str, tables: Iterable[pa.Table]) -> Path:
    path = Path(folder, name)
    writer = PartWriter(path, name, SCHEMA, "zstd")
    for table in tables:
        writer.write(table)
    record = writer.close()
    assert record is not None
    assert record.rows == writer.rows
    return path


@settings(max_examples=60)
@given(
    rows=st.lists(ROW, min_size=1, max_size=40),
    cuts=st.lists(st.integers(0, 1000), max_size=6),
    limits=st.tuples(st.integers(1, 20), st.integers(1, 20_000)),
)
def test_the_same_rows_in_other_batches_give_the_same_file(
    rows: list[dict[str, Any]], cuts: list[int], limits: tuple[int, int]
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(part_writer, "ROW_GROUP_ROWS", limits[0])
        patched.setattr(part_writer, "ROW_GROUP_BYTES", limits[1])
        one = written(folder, "one", [pa.Table.from_pylist(rows, SCHEMA)])
        other = written(folder, "other", batches(rows, cuts))
        assert one.read_bytes() == other.read_bytes()
        table = pq.read_table(one)
        assert table.to_pylist() == pa.Table.from_pylist(rows, SCHEMA).to_pylist()
        footer = pq.read_metadata(one)
    start = 0
    for group in range(footer.num_row_groups):
        stop = start + footer.row_group(group).num_rows
        sizes = row_bytes(table.slice(start, stop - start))
        assert stop - start <= limits[0]
        assert sizes[:-1].sum() < limits[1]
        assert stop in (len(rows), start + limits[0]) or sizes.sum() >= limits[1]
        start = stop


@settings(max_examples=40)
@given(rows=st.lists(ROW, max_size=12), cuts=st.lists(st.integers(0, 1000), max_size=4))
def test_the_size_of_a_row_is_its_own(rows: list[dict[str, Any]], cuts: list[int]) -> None:
    whole = row_bytes(pa.Table.from_pylist(rows, SCHEMA)).tolist()
    alone = [int(row_bytes(pa.Table.from_pylist([row], SCHEMA))[0]) for row in rows]
    assert whole == alone
    assert [size for table in batches(rows, cuts) for size in row_bytes(table).tolist()] == whole


def test_text_is_counted_at_any_depth() -> None:
    pairs = pa.array([[("key", "ééé")], None, []], pa.map_(pa.string(), pa.string()))
    assert value_bytes(pairs).tolist() == [9, 0, 0]
    coded = pa.array(["four", None, "four", "a"]).dictionary_encode()
    assert value_bytes(coded, VALUE_BYTES).tolist() == [12, 8, 12, 9]
    assert value_bytes(pa.array([[1, 2, 3], [4]]), VALUE_BYTES).tolist() == [24, 8]
    assert value_bytes(pa.array([b"abc", None], pa.large_binary())).tolist() == [3, 0]
    assert value_bytes(pa.array(["abc", None, "x" * 40], pa.string_view()).slice(1)).tolist() == [0, 40]
    masked = pa.StructArray.from_arrays([pa.array(["long", "long"])], names=["a"], mask=pa.array([False, True]))
    assert value_bytes(masked).tolist() == [4, 0]
