"""Compile ``conversations/*.yaml`` to ``data/part-N.parquet`` and ``expected.yaml``. Same sources, same tables.

In the sources ``⟦category|text⟧`` marks a planted tic and ``⟦keep|text⟧`` a hard negative: text that looks like a tic
and must not be acted on. The marks are taken out of the data and written to ``expected.yaml``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

HERE = Path(__file__).parent
N_SHARDS = 4
ROLES = ("system", "user", "assistant", "tool")
KINDS = ("clean", "strip", "model", "tag", "unusable")
KEEP = "keep"

TOOL_CALL = pa.struct(
    [
        ("id", pa.string()),
        ("type", pa.string()),
        ("function", pa.struct([("name", pa.string()), ("arguments", pa.string())])),
    ]
)
MESSAGE = pa.struct(
    [
        ("role", pa.string()),
        ("content", pa.string()),
        ("name", pa.string()),
        ("tool_call_id", pa.string()),
        ("tool_calls", pa.list_(TOOL_CALL)),
    ]
)
SCHEMA = pa.schema(
    [("id", pa.string()), ("messages", pa.list_(MESSAGE)), ("source", pa.string()), ("topic", pa.string())]
)

MARK = re.compile(r"⟦([a-z_]+)\||⟧")


@dataclass(frozen=True)
class Mark:
    """A marked stretch of one turn. ``turn`` is the index into the messages, ``start`` a code point offset."""

    id: str
    turn: int
    category: str
    start: int
    text: str


@dataclass(frozen=True)
class Conversation:
    """One row of the data (``row``), what is marked in it, and what should become of it (``kind``)."""

    row: dict[str, Any]
    kind: str
    marks: tuple[Mark, ...]


def unmark(text: str) -> tuple[str, list[tuple[str, int, int]]]:
    """The text without marks, and ``(name, start, stop)`` of each in code points of that text, in order of start."""
    parts: list[str] = []
    found: list[tuple[str, int, int]] = []
    opened: list[tuple[str, int]] = []
    length = end = 0
    for token in MARK.finditer(text):
        parts.append(text[end : token.start()])
        length += token.start() - end
        end = token.end()
        if token[1]:
            opened.append((token[1], length))
        elif opened:
            name, start = opened.pop()
            found.append((name, start, length))
        else:
            raise ValueError(f"a mark is closed that was never opened: {text[:60]!r}")
    if opened:
        raise ValueError(f"the mark {opened[-1][0]!r} is never closed: {text[:60]!r}")
    return "".join(parts) + text[end:], sorted(found, key=lambda mark: mark[1])


def read_sources(folder: Path = HERE / "conversations") -> list[Conversation]:
    """All conversations, in an order that mixes the files: by the hash of their id. Ids must be unique."""
    conversations = []
    for path in sorted(folder.glob("*.yaml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        conversations += [_conversation(entry, document["source"]) for entry in document["conversations"]]
    counts = Counter(conversation.row["id"] for conversation in conversations)
    if repeated := [name for name, count in counts.items() if count > 1]:
        raise ValueError(f"ids must be unique, repeated: {', '.join(repeated)}")
    return sorted(conversations, key=lambda conversation: _order(conversation.row["id"]))


def _order(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _conversation(entry: dict[str, Any], source: str) -> Conversation:
    if entry["kind"] not in KINDS:
        raise ValueError(f"{entry['id']}: kind is {entry['kind']!r}, expected one of {', '.join(KINDS)}")
    messages, marks = [], []
    for turn, message in enumerate(entry["messages"]):
        (role,) = [name for name in ROLES if name in message]
        content, found = unmark(message[role])
        marks += [Mark(entry["id"], turn, name, start, content[start:stop]) for name, start, stop in found]
        messages.append(
            {
                "role": role,
                "content": content,
                "name": message.get("name"),
                "tool_call_id": message.get("tool_call_id"),
                "tool_calls": [_tool_call(call) for call in message.get("tool_calls", [])] or None,
            }
        )
    row = {"id": entry["id"], "messages": messages, "source": source, "topic": entry["topic"]}
    return Conversation(row, entry["kind"], tuple(marks))


def _tool_call(call: dict[str, Any]) -> dict[str, Any]:
    arguments = json.dumps(call["arguments"], ensure_ascii=False)
    return {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": arguments}}


def shards(conversations: list[Conversation]) -> list[pa.Table]:
    """``N_SHARDS`` tables of ``SCHEMA`` that follow each other, equal in size up to one row."""
    rows = [conversation.row for conversation in conversations]
    cuts = [len(rows) * index // N_SHARDS for index in range(N_SHARDS + 1)]
    return [pa.Table.from_pylist(rows[start:stop], schema=SCHEMA) for start, stop in pairwise(cuts)]


def expected(conversations: list[Conversation]) -> dict[str, Any]:
    """``planted`` and ``hard_negatives`` as lists of marks, and ``rows``: ids by kind. Ordered by id and place."""
    ordered = sorted(conversations, key=lambda conversation: conversation.row["id"])
    marks = [mark for conversation in ordered for mark in conversation.marks]
    return {
        "planted": [vars(mark) for mark in marks if mark.category != KEEP],
        "hard_negatives": [
            {"id": mark.id, "turn": mark.turn, "start": mark.start, "text": mark.text}
            for mark in marks
            if mark.category == KEEP
        ],
        "rows": {kind: [c.row["id"] for c in ordered if c.kind == kind] for kind in KINDS},
    }


def main() -> None:
    """Write the shards and ``expected.yaml`` beside this file and print how often each category is planted."""
    conversations = read_sources()
    data = HERE / "data"
    data.mkdir(exist_ok=True)
    for index, table in enumerate(shards(conversations)):
        pq.write_table(table, data / f"part-{index}.parquet", compression="zstd")
    truth = expected(conversations)
    text = yaml.safe_dump(truth, allow_unicode=True, sort_keys=False, width=1000)
    (HERE / "expected.yaml").write_text("# Written by build.py from conversations/*.yaml.\n" + text, encoding="utf-8")
    print(f"{len(conversations)} conversations in {N_SHARDS} shards, {len(truth['hard_negatives'])} hard negatives")
    for category, count in Counter(mark["category"] for mark in truth["planted"]).most_common():
        print(f"{count:5d} {category}")


if __name__ == "__main__":
    main()
