"""What there is to judge in a data set: the last answer of every row, or its pair of answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import pyarrow as pa

from phrasemill.engine.ingest_schema import output_name
from phrasemill.engine.manifest import MANIFEST_NAME, TABLES
from phrasemill.engine.read import read_shard
from phrasemill.engine.shards import InputPlan
from phrasemill.generators.tasks import Message
from phrasemill.schemas.errors import InputError
from phrasemill.schemas.trait import Trait

What = Literal["sft", "pairs"]

TRAIT_COLUMN: Final = output_name("pm_trait_id")
"""Where a row's own trait stands once an output folder of ours has been read as an input."""

_SLICE_ROWS: Final = 256
"""Rows that are Python objects at a time."""


@dataclass(frozen=True, slots=True)
class JudgeTask:
    """An answer under one trait, to be judged alone or against ``other``. ``turn`` is the index in its field."""

    shard: str
    row: int
    row_id: str
    field: str
    turn: int
    trait: Trait
    conversation: tuple[Message, ...]
    text: str
    other: str | None = None


def data_path(path: str, table: Literal["sft", "preference"]) -> str:
    """Where that table is in an output folder of ours; any other path as it is.

    Raises:
        InputError: it is our folder and has no such table.
    """
    folder = Path(path) / TABLES[table]
    if folder.is_dir():
        return str(folder)
    if (Path(path) / MANIFEST_NAME).is_file():
        raise InputError(f"{path}: is an output folder without {TABLES[table]}; it has nothing to judge")
    return path


def check_shape(plan: InputPlan, what: What) -> None:
    """Refuse data without pairs where pairs are wanted.

    Raises:
        InputError: names the shape.
    """
    if what == "pairs" and "rejected" not in plan.shape.fields:
        raise InputError(f"--what pairs: got data of the shape {plan.shape.kind}, expected chosen and rejected")


def judge_tasks(
    plan: InputPlan, traits: Sequence[Trait], what: What, skipped: Counter[str], *, across: bool = False
) -> Iterator[JudgeTask]:
    """Everything to judge, shard by shard and row by row; what is not judged is counted by reason in ``skipped``.

    A row is judged under its own trait, one without under every trait in turn; with ``across`` each is.
    """
    known = {trait.id: trait for trait in traits}
    for shard in plan.shards:
        for batch in read_shard(shard, plan):
            skipped["quarantined"] += len(batch.quarantine)
            for row, cells in _rows(batch.row, batch.table):
                own = None if across else cells.get(TRAIT_COLUMN)
                wanted = traits if own is None else [known[own]] if own in known else []
                found = _found(cells, what) if wanted else "other_trait"
                if isinstance(found, str):
                    skipped[found] += 1
                    continue
                for trait in wanted:
                    yield JudgeTask(shard.key, row, cells["id"], trait=trait, **found)


def _rows(places: pa.Int64Array, table: pa.Table) -> Iterator[tuple[int, Mapping[str, Any]]]:
    names = [
        name for name in ("id", "messages", "prompt", "chosen", "rejected", TRAIT_COLUMN) if name in table.schema.names
    ]
    table = table.select(names)
    for start in range(0, len(table), _SLICE_ROWS):
        rows = places.slice(start, _SLICE_ROWS).to_pylist()
        yield from zip(rows, table.slice(start, _SLICE_ROWS).to_pylist(), strict=True)


def _found(cells: Mapping[str, Any], what: What) -> dict[str, Any] | str:
    """The parts of a task, or why there is none."""
    field = "chosen" if "chosen" in cells else "messages"
    before, turns = _messages(cells.get("prompt")), _messages(cells[field])
    at = next((place for place in reversed(range(len(turns))) if turns[place].role == "assistant"), None)
    if at is None or not turns[at].content.strip():
        return "no_answer"
    parts = {"field": field, "turn": at, "conversation": (*before, *turns[:at]), "text": turns[at].content}
    if what == "sft":
        return parts
    others = _messages(cells["rejected"])
    if others[:at] != turns[:at] or len(others) <= at or others[at].role != "assistant":
        return "another_conversation"
    return {**parts, "other": others[at].content} if others[at].content.strip() else "no_answer"


def _messages(turns: Sequence[Mapping[str, str]] | None) -> list[Message]:
    return [Message(turn["role"], turn["content"]) for turn in turns or ()]
