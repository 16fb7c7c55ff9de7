"""The turn table: one entry per turn of a batch, as columns, without a Python object per turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from phrasemill.schemas.tables import TURNS


@dataclass(frozen=True, slots=True)
class TurnTable:
    """Turns of one field of a batch, in reading order; all arrays have one entry per turn.

    ``position`` is the row's position in the batch, ``turn`` the index into its list, ``text`` a large_string array.
    ``previous`` indexes ``prompts`` (the nearest user turn before this one), -1 where there is none. ``row`` is the
    index in ``shard`` of each turn's row; None where the turns stand in no shard.
    """

    field: str
    position: npt.NDArray[np.int64]
    turn: npt.NDArray[np.int32]
    role: pa.LargeStringArray
    text: pa.LargeStringArray
    previous: npt.NDArray[np.int64]
    prompts: pa.LargeStringArray
    shard: str = ""
    row: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.text)

    def previous_user(self, index: int) -> str:
        """The user turn before turn ``index``, or an empty text."""
        at = int(self.previous[index])
        return "" if at < 0 else str(self.prompts[at])

    def having_role(self, roles: Sequence[str]) -> TurnTable:
        """The turns spoken by one of ``roles``, in order."""
        mask = pc.is_in(self.role, value_set=pa.array(roles, self.role.type))
        keep = mask.to_numpy(zero_copy_only=False)
        return TurnTable(
            self.field,
            self.position[keep],
            self.turn[keep],
            self.role.filter(mask),
            self.text.filter(mask),
            self.previous[keep],
            self.prompts,
            self.shard,
            None if self.row is None else self.row[keep],
        )

    def in_shard(self, shard: str, row: pa.Int64Array) -> TurnTable:
        """The same turns, as those of a shard. ``row``: index in the shard of every row of the batch."""
        return replace(self, shard=shard, row=row.to_numpy(zero_copy_only=False)[self.position])

    def to_arrow(self, row: pa.Int64Array, row_id: pa.LargeStringArray) -> pa.Table:
        """The table as filters outside this package see it: schema ``tables.TURNS``."""
        previous = pa.array(self.previous, mask=self.previous < 0)
        columns = [
            row.take(pa.array(self.position)),
            row_id.take(pa.array(self.position)),
            pa.array([self.field], pa.large_string()).take(pa.array(np.zeros(len(self), dtype=np.int64))),
            pa.array(self.turn),
            self.role,
            self.text,
            self.prompts.take(previous),
        ]
        return pa.Table.from_arrays(columns, schema=TURNS)


def turn_table(field: str, messages: pa.LargeListArray, before: pa.LargeListArray | None = None) -> TurnTable:
    """All turns of a column of message lists.

    ``before``: the lists that come first in the same rows (the prompt of a preference pair); the user turn before a
    turn may stand there.
    """
    role, text, position, turn = _flatten(messages)
    is_user = pc.equal(role, "user").to_numpy(zero_copy_only=False)
    own = np.where(is_user, np.arange(len(text)), -1)
    # The latest user turn strictly before each turn; a row's first turns must not see the row before.
    latest = np.concatenate([[-1], np.maximum.accumulate(own)[:-1]]) if len(text) else own
    first = np.arange(len(text)) - turn
    previous = np.where(latest >= first, latest, -1)
    prompts = text
    if before is not None and len(text):
        previous, prompts = _with_prompts(previous, text, position, before)
    return TurnTable(field, position, turn.astype(np.int32), role, text, previous, prompts)


def _with_prompts(
    previous: npt.NDArray[np.int64],
    text: pa.LargeStringArray,
    position: npt.NDArray[np.int64],
    before: pa.LargeListArray,
) -> tuple[npt.NDArray[np.int64], pa.LargeStringArray]:
    """``previous`` with the last user turn of ``before`` where a row has none of its own, and the texts it indexes."""
    role, content, owner, _ = _flatten(before)
    is_user = np.flatnonzero(pc.equal(role, "user").to_numpy(zero_copy_only=False))
    last = np.full(len(before), -1, dtype=np.int64)
    last[owner[is_user]] = is_user
    from_prompt = last[position]
    filled = np.where((previous < 0) & (from_prompt >= 0), from_prompt + len(text), previous)
    return filled, pa.concat_arrays([text, content])


def _flatten(
    messages: pa.LargeListArray,
) -> tuple[pa.LargeStringArray, pa.LargeStringArray, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Roles, contents, row position and turn index of every message, in order."""
    lengths = pc.list_value_length(messages).to_numpy(zero_copy_only=False).astype(np.int64)
    position = np.repeat(np.arange(len(messages), dtype=np.int64), lengths)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64) if len(lengths) else lengths
    turn = np.arange(len(position), dtype=np.int64) - starts[position]
    flat = messages.flatten()
    return flat.field(0), flat.field(1), position, turn
