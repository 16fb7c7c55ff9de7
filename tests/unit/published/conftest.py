"""A small finished output folder, written by hand: two shards, every outcome, and evidence that fits."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from blake3 import blake3

from phrasemill.engine.card import write_card
from phrasemill.engine.catalog import SCHEMAS, write_catalog
from phrasemill.engine.manifest import (
    CategoryCount,
    FileRecord,
    Manifest,
    ShardCommit,
    part_path,
    write_commit,
    write_manifest,
)
from phrasemill.schemas.config import InputConfig, RunConfig

Rows = dict[str, list[dict[str, Any]]]

CONFIG = RunConfig(input=InputConfig(path=("in/*.parquet",)))
HEADS = ("Certainly! ", "\U0001f600 **Sure,** ", "Certainly! ", "Of course! ")
"""What was cut from the four repaired rows of the first shard; the second has a character beyond 16 bits before it."""


def _chat(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": "How?"}, {"role": "assistant", "content": text}]


def _span(key: str, row: int, text: str, start: int, stop: int, category: str, **more: Any) -> dict[str, Any]:
    base = {"shard": key, "row": row, "row_id": f"id-{key}-{row}", "field": "messages", "turn": 1, "start": start}
    action = None if "exempt" in more else "strip"
    more = {"rule_id": f"{category}-1", "action": action, "cut_start": start, "cut_stop": stop, **more}
    return {
        **base,
        "stop": stop,
        "category": category,
        "filter": "regex",
        "score": 1.0,
        "text": text[start:stop],
        **more,
    }


def _sft(key: str, row: int, text: str, action: str, trait: str | None = None) -> dict[str, Any]:
    known = {"id": f"id-{key}-{row}", "pm_action": action, "pm_rules": ["opener-1"] if action != "keep" else []}
    return {
        **known,
        "messages": _chat(text),
        "pm_trait_id": trait,
        "pm_original_hash": "0",
        "pm_shard": key,
        "pm_row": row,
    }


def _pair(key: str, row: int, chosen: str, rejected: str, **more: Any) -> dict[str, Any]:
    sides = {"chosen": _chat(chosen)[1:], "rejected": _chat(rejected)[1:], "prompt": _chat("")[:1]}
    place = {"pm_row_id": f"id-{key}-{row}", "pm_shard": key, "pm_row": row, "pm_turn": 1}
    return {"id": f"{key}-{row}-1", **sides, **place, "pm_length_ratio": len(chosen) / len(rejected), **more}


def first_shard(key: str) -> Rows:
    """Four repaired rows and one kept row whose only hit is excused."""
    rows: Rows = {table: [] for table in SCHEMAS}
    for row, head in enumerate(HEADS):
        original, at = f"{head}Boil water.", {"shard": key, "row": row, "row_id": f"id-{key}-{row}"}
        start = len(head) - len(head.lstrip("\U0001f600 "))
        rows["spans"].append(_span(key, row, original, start, len(head.rstrip()), "opener"))
        rows["originals"].append({**at, "field": "messages", "turn": 1, "text": original})
        rows["verdicts"].append({**at, "action": "strip", "outcome": "repaired", "reasons": ["opener-1"]})
        rows["sft"].append(_sft(key, row, "Boil water.", "repaired"))
        more = {"pm_reason": "opener-1,frame-2" if row == 0 else "opener-1", "pm_kind": "strip"}
        rows["preference"].append(_pair(key, row, "Boil water.", original, **more))
    quoted = 'He said "Certainly!" twice.'
    at = {"shard": key, "row": 4, "row_id": f"id-{key}-4"}
    rows["spans"].append(_span(key, 4, quoted, 9, 19, "opener", exempt="quote", cut_start=None, cut_stop=None))
    rows["originals"].append({**at, "field": "messages", "turn": 1, "text": quoted})
    rows["verdicts"].append({**at, "action": "keep", "outcome": "kept", "reasons": []})
    rows["sft"].append(_sft(key, 4, quoted, "keep"))
    return rows


def second_shard(key: str) -> Rows:
    """A regenerated row (second attempt), a dropped row, a quarantined row."""
    rows: Rows = {table: [] for table in SCHEMAS}
    original, mended = "I was trained by Acme Labs.", "I keep that to myself."
    places: list[dict[str, Any]] = [{"shard": key, "row": row, "row_id": f"id-{key}-{row}"} for row in range(3)]
    outcomes = (("regenerate", "regenerated"), ("drop", "dropped"), ("quarantine", "quarantined"))
    reasons = ("identity_leak-1", "needs_model", "empty")
    for place, (action, outcome), reason in zip(places, outcomes, reasons, strict=True):
        rows["verdicts"].append({**place, "action": action, "outcome": outcome, "reasons": [reason]})
    for place in places[:2]:
        row = place["row"]
        rows["spans"].append(_span(key, row, original, 0, 16, "identity_leak", cut_start=None, cut_stop=None))
        rows["originals"].append({**place, "field": "messages", "turn": 1, "text": original})
    for attempt, (outcome, text) in enumerate((("rejected", original), ("accepted", mended)), start=1):
        request = {
            **places[0],
            "field": "messages",
            "turn": 1,
            "attempt": attempt,
            "recipe": "regenerate",
            "trait_id": "plain",
            "outcome": outcome,
        }
        tokens = {"prompt_tokens": 20, "completion_tokens": 6, "seconds": 0.5, "model": "tiny", "backend": "local"}
        left = ["identity_leak-1"] if outcome == "rejected" else []
        rows["generations"].append({**request, **tokens, "text": text, "hits_left": left})
    rows["sft"].append(_sft(key, 0, mended, "regenerated", "plain"))
    more = {"pm_reason": "identity_leak-1", "pm_kind": "regenerate", "pm_trait_id": "plain"}
    rows["preference"].append(_pair(key, 0, mended, original, **more))
    rows["quarantine"].append({**places[2], "reason": "empty", "detail": "nothing said", "source": "in/b", "raw": "{}"})
    return rows


def write_table(out: Path, table: str, key: str, rows: Sequence[dict[str, Any]]) -> FileRecord:
    """Write the rows as the table's file of that shard; its record."""
    path = out / part_path(table, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows), schema=SCHEMAS[table]), path)
    content = path.read_bytes()
    checksum = blake3(content).hexdigest()
    return FileRecord(path=part_path(table, key), rows=len(rows), bytes=len(content), blake3=checksum)


def write_shard(out: Path, key: str, rows: Rows) -> ShardCommit:
    """Write the shard's files and its commit record."""
    files = tuple(write_table(out, table, key, listed) for table, listed in rows.items() if listed)
    counting = [span for span in rows["spans"] if span.get("exempt") is None]
    hits: dict[str, CategoryCount] = {}
    for category in sorted({span["category"] for span in rows["spans"]}):
        counted = [span for span in counting if span["category"] == category]
        excused = sum(span["category"] == category for span in rows["spans"]) - len(counted)
        found = len({span["row"] for span in counted})
        hits[category] = CategoryCount(rows=found, spans=len(counted), exempt=excused, acted=len(counted))
    commit = ShardCommit(
        key=key,
        source=f"in/{key}'s.parquet",
        source_hash="0" * 64,
        kind="parquet",
        start=0,
        stop=1,
        rows_in=len(rows["verdicts"]),
        outcomes=dict(Counter(verdict["outcome"] for verdict in rows["verdicts"])),
        reasons=dict(Counter(reason for verdict in rows["verdicts"] for reason in verdict["reasons"])),
        hits=hits,
        rules=dict(Counter(span["rule_id"] for span in counting)),
        pairs=dict(Counter(pair["pm_kind"] for pair in rows["preference"])),
        pairs_withheld={"length": 1} if rows["generations"] else {},
        requests=dict(Counter(request["outcome"] for request in rows["generations"])),
        files=files,
    )
    write_commit(out, commit)
    return commit


def finish(out: Path, *commits: ShardCommit) -> Manifest:
    """Write everything that lies beside the shards."""
    manifest = Manifest(command="run", plan="plan-1", config="config-1", shards=commits)
    (out / "config.yaml").write_text("input: {path: in/*.parquet}\n")
    write_catalog(out, manifest)
    write_card(out, manifest, CONFIG)
    write_manifest(out, manifest)
    return manifest


@pytest.fixture
def config() -> RunConfig:
    """The configuration that the folder was made with."""
    return CONFIG


@pytest.fixture(scope="session")
def _built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    finish(folder, write_shard(folder, "aa", first_shard("aa")), write_shard(folder, "bb", second_shard("bb")))
    return folder


@pytest.fixture
def out(tmp_path: Path, _built: Path) -> Path:
    """A finished folder, whose name would be a pattern if it were read as one."""
    folder = tmp_path / "it's [1] of *"
    shutil.copytree(_built, folder)
    return folder


@pytest.fixture
def empty_out(tmp_path: Path) -> Path:
    """A finished folder of a run that had no row at all."""
    folder = tmp_path / "empty"
    folder.mkdir()
    finish(folder)
    return folder


@pytest.fixture
def rewrite(out: Path) -> Callable[..., None]:
    """Write the first shard of ``out`` anew after a change to its rows, with records that fit the files."""

    def change(edit: Callable[[Rows], None], **commit: Any) -> None:
        rows = first_shard("aa")
        edit(rows)
        first = write_shard(out, "aa", rows).model_copy(update=commit)
        write_commit(out, first)
        finish(out, first, write_shard(out, "bb", second_shard("bb")))

    return change
