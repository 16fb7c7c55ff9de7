"""The SFT table: the conversation, what came with it, and what was done to it."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any, Final

import blake3
import orjson
import pyarrow as pa

from phrasemill.engine.columns import constant, sparse_strings, string_lists
from phrasemill.schemas.tables import MESSAGES

_OURS: Final = (
    pa.field("pm_messages_extra", pa.large_string()),
    pa.field("pm_extra", pa.large_string()),
    pa.field("pm_action", pa.large_string()),
    pa.field("pm_rules", pa.large_list(pa.large_string())),
    pa.field("pm_trait_id", pa.large_string()),
    pa.field("pm_original_hash", pa.large_string()),
    pa.field("pm_shard", pa.large_string()),
    pa.field("pm_row", pa.int64()),
)

STALE_KEYS: Final = ("content",)
"""Extra keys of a message that repeat its text as it came; a turn that was mended loses them."""

WAITING: Final = "pm_waiting"
"""Column of staged rows that wait for a model: JSON of the turns to write and of what pairs need."""


def sft_schema(passthrough: pa.Schema) -> pa.Schema:
    """``data/sft``: id, messages, the input's own columns, ours. The same for every shard of a plan."""
    own = [pa.field("id", pa.large_string()), pa.field("messages", MESSAGES)]
    return pa.schema([*own, *passthrough, *_OURS])


def waiting_schema(passthrough: pa.Schema) -> pa.Schema:
    """Staged rows: as in the SFT table, with what is still to do."""
    return sft_schema(passthrough).append(pa.field(WAITING, pa.large_string()))


def sft_table(
    table: pa.Table,
    messages: pa.LargeListArray,
    row: pa.Array,
    shard: str,
    schema: pa.Schema,
    *,
    action: pa.LargeStringArray,
    rules: Mapping[int, Sequence[str]],
    hashes: Mapping[int, str],
) -> pa.Table:
    """Rows of a batch as SFT rows, in order. ``rules`` and ``hashes`` by position in the batch."""
    count = len(table)
    ours = {
        "messages": messages,
        "pm_messages_extra": _extras(table, messages),
        "pm_action": action,
        "pm_rules": string_lists(count, rules),
        "pm_trait_id": constant(None, count),
        "pm_original_hash": sparse_strings(count, hashes),
        "pm_shard": constant(shard, count),
        "pm_row": row,
    }
    columns = [ours[name] if name in ours else table[name] for name in schema.names]
    return pa.Table.from_arrays(columns, schema=schema)


def _extras(table: pa.Table, messages: pa.LargeListArray) -> pa.ChunkedArray | pa.LargeStringArray:
    """Extra keys of the messages as one list a row; a preference row brings them by prompt and chosen."""
    extras = table["pm_messages_extra"]
    if "chosen" not in table.column_names or extras.null_count == len(extras):
        return extras
    lengths = [(len(row["prompt"]), len(row["chosen"])) for row in table.select(["prompt", "chosen"]).to_pylist()]
    joined: dict[int, str] = {}
    for place, value in enumerate(extras.to_pylist()):
        if value is not None:
            parts = orjson.loads(value)
            sides = zip(("prompt", "chosen"), lengths[place], strict=True)
            turns = [turn for side, size in sides for turn in (parts.get(side) or [None] * size)]
            if any(turn is not None for turn in turns):
                joined[place] = orjson.dumps(turns).decode()
    return sparse_strings(len(messages), joined)


def without_keys(entries: Sequence[dict[str, Any] | None], turns: Container[int], keys: Container[str]) -> str | None:
    """JSON of the extra keys of a row's turns, those of ``turns`` without ``keys``; None where nothing is left."""
    kept = [
        ({name: value for name, value in entry.items() if name not in keys} or None) if entry and at in turns else entry
        for at, entry in enumerate(entries)
    ]
    return orjson.dumps(kept).decode() if any(kept) else None


def conversation_hash(messages: Sequence[Mapping[str, str]]) -> str:
    """Identity of a conversation as it came: blake3 of its messages, 32 hexadecimal digits."""
    plain = [[message["role"], message["content"]] for message in messages]
    return blake3.blake3(orjson.dumps(plain)).hexdigest()[:32]
