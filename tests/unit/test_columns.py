"""Column surgery agrees with the same thing done row by row, on slices too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from phrasemill.engine import columns
from phrasemill.schemas.tables import MESSAGES

TEXT = st.text(st.characters(codec="utf-8"), max_size=6)
TURN = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": TEXT})
ROWS = st.lists(st.lists(TURN, max_size=4), max_size=6)


def lists(rows: list[Any], skip: int = 0) -> pa.LargeListArray:
    """The rows as an array, behind ``skip`` others that a slice has cut off."""
    before = [[{"role": "user", "content": "before"}] * 2] * skip
    return pa.array([*before, *rows], MESSAGES).slice(skip)


@given(rows=ROWS, skip=st.integers(0, 2), data=st.data())
def test_replaced_contents(rows: list[list[dict[str, str]]], skip: int, data: st.DataObject) -> None:
    places = [(row, turn) for row, turns in enumerate(rows) for turn in range(len(turns))]
    texts = data.draw(st.dictionaries(st.sampled_from(places), TEXT)) if places else {}
    found = columns.replace_contents(lists(rows, skip), texts)
    found.validate(full=True)
    assert found.type == MESSAGES
    assert found.to_pylist() == [
        [{**turn, "content": texts.get((row, at), turn["content"])} for at, turn in enumerate(turns)]
        for row, turns in enumerate(rows)
    ]


@given(
    pairs=st.lists(st.tuples(st.lists(TURN, max_size=3), st.lists(TURN, max_size=3)), max_size=6),
    skip=st.integers(0, 2),
)
def test_joined_lists(pairs: list[tuple[list[Any], list[Any]]], skip: int) -> None:
    found = columns.join_lists(lists([first for first, _ in pairs], skip), lists([second for _, second in pairs], skip))
    found.validate(full=True)
    assert found.to_pylist() == [[*first, *second] for first, second in pairs]


@given(rows=ROWS, skip=st.integers(0, 2))
def test_lengths(rows: list[list[Any]], skip: int) -> None:
    assert columns.list_lengths(lists(rows, skip)).tolist() == [len(row) for row in rows]


@given(values=st.dictionaries(st.integers(0, 9), st.lists(TEXT, max_size=3)))
def test_lists_of_strings(values: dict[int, list[str]]) -> None:
    found = columns.string_lists(10, values)
    found.validate(full=True)
    assert found.to_pylist() == [values.get(row, []) for row in range(10)]


@given(values=st.dictionaries(st.integers(0, 9), TEXT))
def test_sparse_strings(values: dict[int, str]) -> None:
    assert columns.sparse_strings(10, values).to_pylist() == [values.get(row) for row in range(10)]


def test_constants_choices_and_single_columns() -> None:
    assert columns.constant("a", 3).to_pylist() == ["a"] * 3
    assert columns.constant(None, 2).to_pylist() == [None, None]
    assert columns.constant("a", 0).type == pa.large_string()
    assert columns.choices(np.array([1, 0, 1]), ["x", "y"]).to_pylist() == ["y", "x", "y"]
    chunked = pa.chunked_array([["a"], ["b", "c"]])
    assert columns.single(pa.table({"x": chunked}), "x").to_pylist() == ["a", "b", "c"]
