"""Rollouts as tables: rows, pairs, queries, verdicts and every request of one shard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
import pyarrow as pa
from blake3 import blake3

from phrasemill.engine.manifest import ShardCommit, check_ledger, part_path
from phrasemill.engine.pairs import PREFERENCE
from phrasemill.engine.part_writer import PartWriter
from phrasemill.engine.sft import conversation_hash, sft_schema
from phrasemill.generators.ask import Item
from phrasemill.generators.attempts import Attempt
from phrasemill.generators.recipes.base import Pair, Query
from phrasemill.generators.tasks import Message
from phrasemill.generators.traits import trait_hash
from phrasemill.schemas.config import OutputConfig
from phrasemill.schemas.tables import GENERATIONS, QUERIES, VERDICTS

_ADDED: Final = pa.schema(
    [
        ("pm_trait_hash", pa.large_string()),
        ("pm_recipe", pa.large_string()),
        ("pm_item", pa.large_string()),
        ("pm_seed", pa.int64()),
        ("pm_aim", pa.large_string()),
        ("pm_score", pa.float32()),
        ("pm_content_hash", pa.large_string()),
        ("pm_answer_hash", pa.large_string()),
    ]
)


def generated_schema() -> pa.Schema:
    """``data/sft`` of generated rows: beside the usual columns the trait's hash, the recipe, the item and its seed.

    ``pm_item`` names the item (trait id, conversation, repeat); ``pm_original_hash`` is a hash of the conversation that
    it began with, ``pm_content_hash`` one of ``messages``, ``pm_answer_hash`` one of the last answer as it was made,
    also where a person's text stands in its place; ``pm_score`` is a judge's, 0 to 100, where one judged.
    """
    return sft_schema(_ADDED)


@dataclass(frozen=True, slots=True)
class Ended:
    """An item that ended. ``messages`` None: it was dropped, for ``reason``. ``pairs`` are those to publish.

    ``withheld``: pairs that are not, by reason. ``answer_hash``: of the last answer before a person edited it.
    """

    item: Item
    messages: tuple[Message, ...] | None
    pairs: tuple[Pair, ...] = ()
    queries: tuple[Query, ...] = ()
    reason: str = ""
    score: float | None = None
    answer_hash: str | None = None
    withheld: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def accepted(self) -> bool:
        """Whether anything of it is published."""
        return self.messages is not None or bool(self.queries)


@dataclass(frozen=True, slots=True)
class Block:
    """Where a shard's items come from, for its record. ``start``, ``stop``: their indices in the trait's order."""

    key: str
    recipe: str
    source: str
    source_hash: str
    start: int
    fingerprint: str
    seed: int


def write_block(work: Path, block: Block, ended: Sequence[Ended], output: OutputConfig) -> ShardCommit:
    """Lay the part files of a shard under ``work`` and return its record. The ledger is checked."""
    tables = {
        "sft": _sft(block, ended) if output.sft else None,
        "preference": _pairs(block, ended) if output.preference else None,
        "queries": _queries(block, ended),
        "generations": pa.Table.from_pylist([a.as_row() for each in ended for a in each.attempts], schema=GENERATIONS),
        "verdicts": _verdicts(block, ended),
    }
    records = []
    for name, table in tables.items():
        if table is None or not len(table):
            continue
        published = part_path(name, block.key)
        writer = PartWriter(work / published, published, table.schema, output.compression)
        writer.write(table)
        if (record := writer.close()) is not None:
            records.append(record)
    outcomes = Counter(_outcome(each) for each in ended)
    pairs = tables["preference"]
    commit = ShardCommit(
        key=block.key,
        source=block.source,
        source_hash=block.source_hash,
        kind="generated",
        start=block.start,
        stop=block.start + len(ended),
        rows_in=len(ended),
        outcomes=dict(outcomes),
        reasons=dict(Counter(each.reason for each in ended if each.reason)),
        pairs={} if pairs is None else dict(Counter(pairs["pm_kind"].to_pylist())),
        pairs_withheld=dict(Counter(reason for each in ended for reason in each.withheld)),
        requests=dict(Counter(attempt.outcome for each in ended for attempt in each.attempts)),
        fingerprints={"generate": block.fingerprint},
        files=tuple(records),
    )
    check_ledger(commit)
    return commit


def _outcome(ended: Ended) -> str:
    """A row that a model had a part in is regenerated; one that was only taken over is kept."""
    if not ended.accepted:
        return "dropped"
    return "regenerated" if any(attempt.outcome == "accepted" for attempt in ended.attempts) else "kept"


def _sft(block: Block, ended: Sequence[Ended]) -> pa.Table:
    rows: list[dict[str, Any]] = []
    for each in ended:
        if each.messages is None:
            continue
        item = each.item
        messages = _plain(each.messages)
        rows.append(
            {
                "id": item.row_id,
                "messages": messages,
                "pm_trait_hash": trait_hash(item.trait),
                "pm_recipe": block.recipe,
                "pm_item": item.key,
                "pm_seed": block.seed,
                "pm_aim": item.aim or None,
                "pm_score": each.score,
                "pm_content_hash": conversation_hash(messages),
                "pm_answer_hash": each.answer_hash,
                "pm_messages_extra": None,
                "pm_extra": None,
                "pm_action": _outcome(each),
                "pm_rules": [],
                "pm_trait_id": item.trait.id,
                "pm_original_hash": conversation_hash(_plain(item.messages)),
                "pm_shard": block.key,
                "pm_row": item.row,
            }
        )
    return pa.Table.from_pylist(rows, schema=generated_schema())


def _pairs(block: Block, ended: Sequence[Ended]) -> pa.Table:
    rows: list[dict[str, Any]] = []
    for each in ended:
        for number, pair in enumerate(each.pairs):
            rows.append(
                {
                    "id": f"{each.item.row_id}-{number}",
                    "prompt": _plain(pair.prompt),
                    "chosen": [{"role": "assistant", "content": pair.chosen}],
                    "rejected": [{"role": "assistant", "content": pair.rejected}],
                    "pm_row_id": each.item.row_id,
                    "pm_trait_id": each.item.trait.id,
                    "pm_reason": pair.reason,
                    "pm_kind": block.recipe,
                    "pm_length_ratio": len(pair.chosen) / max(1, len(pair.rejected)),
                    "pm_margin": pair.margin,
                    "pm_trait_hash": trait_hash(each.item.trait),
                    "pm_shard": block.key,
                    "pm_row": each.item.row,
                    "pm_turn": len(pair.prompt),
                }
            )
    return pa.Table.from_pylist(rows, schema=PREFERENCE)


def _queries(block: Block, ended: Sequence[Ended]) -> pa.Table:
    rows: list[dict[str, Any]] = []
    for each in ended:
        for query in each.queries:
            digest = blake3(orjson.dumps([each.item.trait.id, query.text])).hexdigest()[:16]
            rows.append(
                {
                    "id": f"query-{each.item.trait.id}-{digest}",
                    "messages": [{"role": "user", "content": query.text}],
                    "pm_trait_id": each.item.trait.id,
                    "pm_trait_hash": trait_hash(each.item.trait),
                    "pm_length": query.length,
                    "pm_aim": query.aim,
                    "pm_source": "model",
                    "pm_shard": block.key,
                    "pm_row": each.item.row,
                }
            )
    return pa.Table.from_pylist(rows, schema=QUERIES)


def _verdicts(block: Block, ended: Sequence[Ended]) -> pa.Table:
    rows = [
        {
            "shard": block.key,
            "row": each.item.row,
            "row_id": each.item.row_id,
            "action": "keep" if _outcome(each) == "kept" else "regenerate",
            "outcome": _outcome(each),
            "reasons": [*([each.reason] if each.reason else []), *each.notes],
        }
        for each in ended
    ]
    return pa.Table.from_pylist(rows, schema=VERDICTS)


def _plain(messages: Sequence[Message]) -> list[Mapping[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]
