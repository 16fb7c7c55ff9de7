"""Reasoning that a policy drops: a ``<think>`` block at the start of an assistant turn, and reasoning keys."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from phrasemill.engine.columns import list_lengths, replace_contents, single
from phrasemill.filters.masks import reasoning_stop
from phrasemill.schemas.tables import MENDED_FIELDS

KEYS: Final = ("reasoning", "reasoning_content", "thinking")
"""Keys of a message that hold reasoning."""


def drop_reasoning(table: pa.Table) -> tuple[pa.Table, list[int], list[int]]:
    """The batch without reasoning in the fields that are mended.

    With it the positions of the rows that had some, and of those in which an answer, not a call of a tool, was nothing
    but reasoning.
    """
    changed: set[int] = set()
    emptied: set[int] = set()
    for name in MENDED_FIELDS:
        if name in table.column_names:
            messages, rows, empty = _without_blocks(single(table, name))
            emptied |= empty
            table = table.set_column(table.column_names.index(name), table.schema.field(name), messages)
            changed |= rows
    extras, rows = _without_keys(table["pm_messages_extra"])
    place = table.column_names.index("pm_messages_extra")
    calls = {row for row in emptied if '"tool_calls"' in (extras[row].as_py() or "")}
    table = table.set_column(place, table.schema.field(place), extras)
    return table, sorted(changed | rows), sorted(emptied - calls)


def _without_blocks(messages: pa.LargeListArray) -> tuple[pa.LargeListArray, set[int], set[int]]:
    """The conversations without blocks, the rows that had one, and the rows where nothing stood behind it."""
    flat = messages.flatten()
    speaks = pc.equal(flat.field(0), "assistant")
    thinks = pc.match_like(flat.field(1), "%<think%")
    lengths = list_lengths(messages)
    owner = np.repeat(np.arange(len(messages)), lengths)
    first = np.cumsum(lengths) - lengths
    texts: dict[tuple[int, int], str] = {}
    for place in np.flatnonzero(pc.and_(speaks, thinks).to_numpy(zero_copy_only=False)).tolist():
        raw = flat.field(1)[place].as_py().encode()
        stop = reasoning_stop(raw)
        if stop:
            row = int(owner[place])
            texts[row, place - int(first[row])] = raw[stop:].decode()
    empty = {row for (row, _), text in texts.items() if not text.strip()}
    return replace_contents(messages, texts), {row for row, _ in texts}, empty


def _without_keys(column: pa.ChunkedArray) -> tuple[pa.LargeStringArray, set[int]]:
    if column.null_count == len(column):
        return column.combine_chunks(), set()
    rows: set[int] = set()
    values: list[str | None] = []
    for place, value in enumerate(column.to_pylist()):
        if value is not None and any(f'"{key}"' in value for key in KEYS):
            extras = orjson.loads(value)
            plain = _stripped(extras)
            # The word may as well stand in the arguments of a tool call.
            if plain != extras:
                rows.add(place)
            values.append(value if plain == extras else orjson.dumps(plain).decode())
        else:
            values.append(value)
    return pa.array(values, pa.large_string()), rows


def _stripped(extras: Any) -> Any:
    """The same lists of objects without reasoning keys; an object left empty becomes null."""
    if isinstance(extras, list):
        return [_stripped(each) for each in extras]
    if isinstance(extras, dict):
        if all(isinstance(value, list) for value in extras.values()) and extras.keys() <= {
            "prompt",
            "chosen",
            "rejected",
        }:
            return {side: _stripped(turns) for side, turns in extras.items()}
        return {key: value for key, value in extras.items() if key not in KEYS} or None
    return extras
