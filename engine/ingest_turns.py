"""The turns of a batch of conversations as flat columns, and the row-wise operations that shapes are built from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from phrasemill.schemas import tables

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int8]
Mask = npt.NDArray[np.bool_]
Extra = dict[str, Any]

REASONS: Final = (
    "",
    "no_messages",
    "null_content",
    "not_text",
    "bad_role",
    "no_assistant_turn",
    "empty",
    "too_large",
    "invalid_utf8",
    "bad_json",
)
"""Why a row cannot be used. A row's code is its index here; 0 means that the row is usable."""

CODE: Final = {reason: code for code, reason in enumerate(REASONS)}

DETAILS: Final = {
    "no_messages": "the row has no conversation, or no prompt",
    "null_content": "a message, or its content, is null",
    "not_text": "the content of a message is not text",
    "bad_role": f"a role is none of {', '.join(tables.ROLES)}, or a second system turn stands inside the conversation",
    "no_assistant_turn": "no turn is the assistant's",
    "empty": "no assistant turn has any text",
    "too_large": "the row is larger than a row may be",
    "invalid_utf8": "the row is not valid UTF-8; raw is base64",
    "bad_json": "the line is not a JSON object",
}

ROLE_CODE: Final = {role: code for code, role in enumerate(tables.ROLES)}
ASSISTANT: Final = ROLE_CODE["assistant"]
TOOL: Final = ROLE_CODE["tool"]
SYSTEM_CODES: Final = (ROLE_CODE["system"], ROLE_CODE["developer"])
BAD_ROLE: Final = -1
NO_EXTRA: Final[list[Extra | None]] = []

_ROLE_NAMES: Final = pa.array(tables.ROLES, pa.large_string())


@dataclass(frozen=True, slots=True)
class Turns:
    """Conversations of n rows. Row i has the turns ``offsets[i]:offsets[i + 1]``; ``offsets[0]`` is 0.

    ``role`` holds indices into ``tables.ROLES`` (-1: unknown), ``content`` text without nulls, ``reason`` one code of
    ``REASONS`` a row, ``call`` is true for turns that carry tool calls. ``extra`` has, for rows with further message
    keys only, one entry a turn. ``ready`` is the same data as a ``tables.MESSAGES`` array where it was read as one.
    """

    offsets: Ints
    role: Codes
    content: pa.LargeStringArray
    reason: npt.NDArray[np.uint8]
    call: Mask
    extra: dict[int, list[Extra | None]] = field(default_factory=dict)
    ready: pa.LargeListArray | None = None

    @property
    def counts(self) -> Ints:
        """Turns per row."""
        return np.diff(self.offsets)

    def rows_of_turns(self) -> Ints:
        """Return the row of each turn."""
        return np.repeat(np.arange(len(self.reason)), self.counts)

    def first_role(self) -> Codes:
        """Return the role of each row's first turn; -1 where a row has none."""
        first = np.full(len(self.reason), BAD_ROLE, dtype=np.int8)
        some = self.counts > 0
        first[some] = self.role[self.offsets[:-1][some]]
        return first

    def any_turn(self, mask: Mask) -> Mask:
        """Per row: whether ``mask`` (one flag a turn) is true for any of its turns."""
        return self.count_turns(mask) > 0

    def count_turns(self, mask: Mask) -> Ints:
        """Per row: for how many of its turns ``mask`` is true."""
        total = np.concatenate([np.zeros(1, np.int64), np.cumsum(mask, dtype=np.int64)])
        return np.asarray(total[self.offsets[1:]] - total[self.offsets[:-1]])

    def with_reason(self, bad: Mask, reason: str) -> Turns:
        """Return the same turns; rows in ``bad`` that had no reason yet get this one."""
        codes = np.where((self.reason == 0) & bad, np.uint8(CODE[reason]), self.reason)
        return Turns(self.offsets, self.role, self.content, codes, self.call, self.extra, self.ready)

    def between(self, start: Ints, stop: Ints) -> Turns:
        """Row i keeps its turns ``start[i]:stop[i]`` (counted inside the row)."""
        counts = stop - start
        index = np.repeat(self.offsets[:-1] + start, counts) + _within(counts)
        extra = {row: turns[start[row] : stop[row]] for row, turns in self.extra.items()}
        extra = {row: turns for row, turns in extra.items() if any(turns)}
        return Turns(
            _offsets(counts), self.role[index], self.content.take(pa.array(index)), self.reason, self.call[index], extra
        )

    def keep_rows(self, keep: Mask) -> Turns:
        """Only the rows in ``keep``, in order."""
        if keep.all():
            return self
        of_turn = np.repeat(keep, self.counts)
        new_row = np.cumsum(keep) - 1
        extra = {int(new_row[row]): turns for row, turns in self.extra.items() if keep[row]}
        return Turns(
            _offsets(self.counts[keep]),
            self.role[of_turn],
            self.content.filter(pa.array(of_turn)),
            self.reason[keep],
            self.call[of_turn],
            extra,
            None if self.ready is None else self.ready.filter(pa.array(keep)),
        )

    def to_arrow(self) -> pa.LargeListArray:
        """Return a ``tables.MESSAGES`` array. Every role must be known."""
        if self.ready is not None:
            return self.ready
        roles = _ROLE_NAMES.take(pa.array(self.role))
        messages = pa.StructArray.from_arrays([roles, self.content], fields=list(tables.MESSAGE))
        return pa.LargeListArray.from_arrays(pa.array(self.offsets), messages, type=tables.MESSAGES)


def join(parts: list[Turns]) -> Turns:
    """Return the turns of several parts in order, row by row. A row's reason is the first part's that has one."""
    if len(parts) == 1:
        return parts[0]
    counts = [part.counts for part in parts]
    offsets = _offsets(np.sum(counts, axis=0))
    index = np.empty(int(offsets[-1]), dtype=np.int64)
    place, base = offsets[:-1], 0
    for part, count in zip(parts, counts, strict=True):
        index[np.repeat(place, count) + _within(count)] = np.arange(len(part.role)) + base
        place, base = place + count, base + len(part.role)
    reason = parts[0].reason
    for part in parts[1:]:
        reason = np.where(reason == 0, part.reason, reason)
    content = pa.concat_arrays([part.content for part in parts])
    return Turns(
        offsets,
        np.concatenate([part.role for part in parts])[index],
        content.take(pa.array(index)),
        reason,
        np.concatenate([part.call for part in parts])[index],
        _join_extra(parts, counts),
    )


def common_prefix(first: Turns, second: Turns) -> Ints:
    """Per row: how many leading turns have the same role and text on both sides."""
    shared = np.minimum(first.counts, second.counts)
    rows, within = np.repeat(np.arange(len(shared)), shared), _within(shared)
    left, right = first.offsets[:-1][rows] + within, second.offsets[:-1][rows] + within
    text = pc.equal(first.content.take(pa.array(left)), second.content.take(pa.array(right)))
    differs = (first.role[left] != second.role[right]) | ~text.to_numpy(zero_copy_only=False)
    length = shared.copy()
    np.minimum.at(length, rows[differs], within[differs])
    return length


def last_assistant(turns: Turns) -> Ints:
    """Per row: the index of the last assistant turn inside the row; -1 where there is none."""
    last = np.full(len(turns.reason), -1, dtype=np.int64)
    spoken = np.flatnonzero(turns.role == ASSISTANT)
    np.maximum.at(last, turns.rows_of_turns()[spoken], _within(turns.counts)[spoken])
    return last


def no_turns(n_rows: int) -> Turns:
    """``n_rows`` rows without any turn."""
    return Turns(
        np.zeros(n_rows + 1, np.int64),
        np.zeros(0, np.int8),
        pa.array([], pa.large_string()),
        np.zeros(n_rows, np.uint8),
        np.zeros(0, np.bool_),
    )


def one_turn(text: pa.LargeStringArray, role: str, keep: Mask, reason: npt.NDArray[np.uint8]) -> Turns:
    """One turn for each row in ``keep``, none for the others. ``text`` has no nulls where ``keep`` is true."""
    n_turns = int(keep.sum())
    content = text if n_turns == len(text) else text.filter(pa.array(keep))
    role_codes = np.full(n_turns, ROLE_CODE[role], np.int8)
    return Turns(_offsets(keep.astype(np.int64)), role_codes, content, reason, np.zeros(n_turns, np.bool_))


def _join_extra(parts: list[Turns], counts: list[Ints]) -> dict[int, list[Extra | None]]:
    rows = sorted({row for part in parts for row in part.extra})
    return {
        row: [
            turn
            for part, count in zip(parts, counts, strict=True)
            for turn in part.extra.get(row, [None] * int(count[row]))
        ]
        for row in rows
    }


def _offsets(counts: Ints) -> Ints:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])


def _within(counts: Ints) -> Ints:
    """0, 1, ... for each row's turns: ``[2, 3]`` gives ``[0, 1, 0, 1, 2]``."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.asarray(np.arange(total) - np.repeat(ends - counts, counts))
