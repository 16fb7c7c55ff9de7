"""The turn table: every turn once, with the nearest user turn before it, never one of another row."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from phrasemill.filters.turns import TurnTable, turn_table
from phrasemill.schemas.tables import MESSAGES, TURNS

TURN = st.tuples(st.sampled_from(["system", "user", "assistant", "tool"]), st.text(max_size=4))
ROWS = st.lists(st.lists(TURN, max_size=5), max_size=6)


def messages(rows: list[list[tuple[str, str]]]) -> pa.LargeListArray:
    return pa.array([[{"role": role, "content": text} for role, text in row] for row in rows], MESSAGES)


def as_tuples(turns: TurnTable) -> list[tuple[int, int, str, str, str]]:
    return [
        (
            int(turns.position[at]),
            int(turns.turn[at]),
            str(turns.role[at]),
            str(turns.text[at]),
            turns.previous_user(at),
        )
        for at in range(len(turns))
    ]


def expected(
    rows: list[list[tuple[str, str]]], before: list[list[tuple[str, str]]]
) -> list[tuple[int, int, str, str, str]]:
    return [
        (row, at, role, text, next((said for who, said in reversed([*before[row], *turns[:at]]) if who == "user"), ""))
        for row, turns in enumerate(rows)
        for at, (role, text) in enumerate(turns)
    ]


@given(rows=ROWS, skip=st.integers(0, 2))
def test_every_turn_with_its_prompt(rows: list[list[tuple[str, str]]], skip: int) -> None:
    array = messages([[("user", "of another row")]] * skip + rows).slice(skip)
    turns = turn_table("messages", array)
    assert as_tuples(turns) == expected(rows, [[]] * len(rows))
    speaking = turns.having_role(("assistant",))
    assert as_tuples(speaking) == [turn for turn in as_tuples(turns) if turn[2] == "assistant"]


@given(rows=st.lists(st.tuples(st.lists(TURN, max_size=3), st.lists(TURN, max_size=3)), max_size=5))
def test_the_prompt_of_a_pair_counts(rows: list[tuple[list[tuple[str, str]], list[tuple[str, str]]]]) -> None:
    before, own = [row[0] for row in rows], [row[1] for row in rows]
    turns = turn_table("chosen", messages(own), messages(before)).having_role(("system", "user", "assistant", "tool"))
    assert as_tuples(turns) == expected(own, before)


def test_as_filters_outside_see_it() -> None:
    turns = turn_table("messages", messages([[], [("assistant", "a")], [("user", "q"), ("assistant", "b")]]))
    table = turns.to_arrow(pa.array([7, 8, 9]), pa.array(["x", "y", "z"], pa.large_string()))
    assert table.schema == TURNS
    assert table.to_pylist() == [
        {
            "row": 8,
            "row_id": "y",
            "field": "messages",
            "turn": 0,
            "role": "assistant",
            "text": "a",
            "previous_user": None,
        },
        {"row": 9, "row_id": "z", "field": "messages", "turn": 0, "role": "user", "text": "q", "previous_user": None},
        {
            "row": 9,
            "row_id": "z",
            "field": "messages",
            "turn": 1,
            "role": "assistant",
            "text": "b",
            "previous_user": "q",
        },
    ]
