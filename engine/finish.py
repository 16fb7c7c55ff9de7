"""A staged shard whose rows are all final: its files completed with what the model wrote, ready to publish."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from blake3 import blake3

from phrasemill.engine.durable import sync_file
from phrasemill.engine.manifest import FileRecord, ShardCommit, check_ledger, part_path
from phrasemill.engine.override_turns import PREFIX
from phrasemill.engine.pairs import PREFERENCE, pair_table
from phrasemill.engine.part_writer import PartWriter
from phrasemill.engine.reasoning import KEYS as REASONING_KEYS
from phrasemill.engine.rewrite import RewrittenRow
from phrasemill.engine.sft import STALE_KEYS, WAITING, without_keys
from phrasemill.engine.shard_job import WAITING_FILE
from phrasemill.schemas.config import RunConfig
from phrasemill.schemas.tables import GENERATIONS, QUARANTINE, VERDICTS


def finish_shard(
    staged: Path, work: Path, draft: ShardCommit, rows: Sequence[RewrittenRow], config: RunConfig
) -> ShardCommit:
    """Lay the complete part files under ``work`` and return the final record.

    What is under ``staged`` stays as it is until the shard is published, so that finishing can be done again.
    """
    rows = sorted(rows, key=lambda row: int(row.row["pm_row"]))
    written = [row for row in rows if row.messages is not None]
    given_up = [row for row in rows if row.messages is None]
    fallback = "quarantined" if config.policy.fallback == "quarantine" else "dropped"
    pairs, withheld = pair_table(
        [turn for row in written for turn in row.mended], config.pairs, config.policy, config.judge
    )
    inputs, unpaired = _input_pairs(written)
    withheld += unpaired
    added = {"generations": _generations(rows), "verdicts": _verdicts(rows, fallback, _overridden(staged, draft))}
    if fallback == "quarantined":
        added["quarantine"] = _quarantine(draft, given_up)
    if config.output.sft:
        added["sft"] = _sft(written, pq.read_table(staged / WAITING_FILE, page_checksum_verification=True))
    if config.output.preference:
        added["preference"] = pa.concat_tables([inputs, pairs])
    commit = _updated(draft, written, given_up, fallback, pairs, withheld, len(inputs))
    commit = commit.model_copy(update={"files": _complete(staged, work, draft, added, config)})
    check_ledger(commit)
    return commit


def _updated(
    draft: ShardCommit,
    written: Sequence[RewrittenRow],
    given_up: Sequence[RewrittenRow],
    fallback: str,
    pairs: pa.Table,
    withheld: Counter[str],
    inputs: int,
) -> ShardCommit:
    outcomes, kinds = Counter(draft.outcomes), Counter(draft.pairs)
    outcomes["regenerated"] += len(written)
    outcomes[fallback] += len(given_up)
    kinds.update(pairs["pm_kind"].to_pylist())
    kinds["input"] += inputs
    requests = Counter(attempt.outcome for row in (*written, *given_up) for attempt in row.attempts)
    reasons = Counter(draft.reasons)
    reasons.update(f"given_up:{row.reason}" for row in given_up)
    return draft.model_copy(
        update={
            "outcomes": {name: count for name, count in outcomes.items() if count},
            "pairs": {name: count for name, count in kinds.items() if count},
            "pairs_withheld": dict(Counter(draft.pairs_withheld) + withheld),
            "reasons": dict(reasons),
            "requests": dict(requests),
        }
    )


def _complete(
    staged: Path, work: Path, draft: ShardCommit, added: dict[str, pa.Table], config: RunConfig
) -> tuple[FileRecord, ...]:
    """Records of all files under ``work``: those that gain rows written anew, the others linked as they are."""
    known = {record.table: record for record in draft.files}
    records: list[FileRecord] = []
    for name in sorted({*known, *added}):
        published = part_path(name, draft.key)
        table = added.get(name)
        if table is None or not len(table):
            if name in known:
                _link(staged / published, work / published)
                records.append(known[name])
            continue
        writer = PartWriter(work / published, published, table.schema, config.output.compression)
        replaced = table["row"] if name == "verdicts" else None
        if name in known:
            _copy(staged / published, writer, replaced)
        writer.write(table)
        if (record := writer.close()) is not None:
            records.append(record)
    return tuple(records)


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:  # a file system without links
        shutil.copyfile(source, target)
        sync_file(target)


def _copy(source: Path, writer: PartWriter, replaced: pa.ChunkedArray | None) -> None:
    """Copy a part, row group by row group, without the rows that are replaced."""
    with pq.ParquetFile(source, page_checksum_verification=True) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group).cast(writer.schema)
            if replaced is not None:
                table = table.filter(pc.invert(pc.is_in(table["row"], value_set=replaced)))
            writer.write(table)


def _sft(written: Sequence[RewrittenRow], waiting: pa.Table) -> pa.Table:
    """Regenerated rows as SFT rows; what came with them stays as it is in ``waiting``, which is in the same order."""
    rows = pa.array([row.row["pm_row"] for row in written], pa.int64())
    table = waiting.filter(pc.is_in(waiting["pm_row"], value_set=rows)).drop_columns([WAITING])
    ours: dict[str, list[Any]] = {
        "messages": [row.messages for row in written],
        "pm_messages_extra": [_extras(row) for row in written],
        "pm_trait_id": [next((turn.trait_id for turn in row.mended if turn.trait_id), None) for row in written],
    }
    for name, values in ours.items():
        place = table.schema.get_field_index(name)
        field = table.schema.field(place)
        table = table.set_column(place, field, pa.array(values, field.type))
    return table.replace_schema_metadata(None)


def _extras(row: RewrittenRow) -> str | None:
    """Extra keys of the turns; those of turns that were cut away go with them, and the reasoning of rewritten ones."""
    extras = row.row["pm_messages_extra"]
    if extras is None:
        return None
    written = {turn.turn for turn in row.mended if turn.kind != "strip"}
    kept = orjson.loads(extras)[: len(row.messages or ())]
    return without_keys(kept, written, (*STALE_KEYS, *REASONING_KEYS))


def _input_pairs(written: Sequence[RewrittenRow]) -> tuple[pa.Table, Counter[str]]:
    """Pairs that came in as pairs, with the regenerated chosen side, and how many are withheld, by reason."""
    plain: list[dict[str, Any]] = []
    withheld: Counter[str] = Counter()
    for row in written:
        todo = orjson.loads(row.row[WAITING])
        if todo["rejected"] is None or row.messages is None:
            continue
        shift = int(todo["shift"])
        chosen = row.messages[shift:]
        if not chosen:
            withheld["conversation_cut"] += 1
            continue
        if chosen == todo["rejected"] or todo["protected"]:
            withheld["identical" if chosen == todo["rejected"] else "refusal_protected"] += 1
            continue
        ratio = sum(len(m["content"]) for m in chosen) / max(1, sum(len(m["content"]) for m in todo["rejected"]))
        plain.append(
            {
                "id": f"{row.row['pm_shard']}-{row.row['pm_row']}-input",
                "prompt": row.messages[:shift],
                "chosen": chosen,
                "rejected": todo["rejected"],
                "pm_row_id": row.row["id"],
                "pm_trait_id": next((turn.trait_id for turn in row.mended if turn.trait_id), None),
                "pm_reason": "input",
                "pm_kind": "input",
                "pm_length_ratio": ratio,
                "pm_shard": row.row["pm_shard"],
                "pm_row": row.row["pm_row"],
                "pm_turn": shift,
            }
        )
    return pa.Table.from_pylist(plain, schema=PREFERENCE), withheld


def _generations(rows: Sequence[RewrittenRow]) -> pa.Table:
    attempts = [attempt.as_row() for row in rows for attempt in row.attempts]
    return pa.Table.from_pylist(attempts, schema=GENERATIONS)


def _quarantine(draft: ShardCommit, given_up: Sequence[RewrittenRow]) -> pa.Table:
    plain: list[dict[str, Any]] = []
    for row in given_up:
        messages = [dict(message) for message in row.row["messages"]]
        for turn in orjson.loads(row.row[WAITING])["turns"]:
            messages[int(turn["turn"])]["content"] = turn["original"]
        raw = orjson.dumps({"id": row.row["id"], "messages": messages})
        plain.append(
            {
                "shard": draft.key,
                "row": row.row["pm_row"],
                "row_id": row.row["id"],
                "reason": "given_up",
                "detail": row.reason,
                "source": draft.source,
                "raw": raw[: 64 * 1024].decode(errors="ignore"),
                "raw_bytes": len(raw),
                "raw_blake3": blake3(raw).hexdigest(),
            }
        )
    return pa.Table.from_pylist(plain, schema=QUARANTINE)


def _overridden(staged: Path, draft: ShardCommit) -> dict[int, list[str]]:
    """Reasons that a person gave rows of the shard, by row."""
    if not any(reason.startswith(PREFIX) for reason in draft.reasons):
        return {}
    path = staged / part_path("verdicts", draft.key)
    verdicts = pq.read_table(path, columns=["row", "reasons"], page_checksum_verification=True)
    said = zip(verdicts["row"].to_pylist(), verdicts["reasons"].to_pylist(), strict=True)
    return {row: named for row, reasons in said if (named := [each for each in reasons if each.startswith(PREFIX)])}


def _verdicts(rows: Sequence[RewrittenRow], fallback: str, overridden: Mapping[int, Sequence[str]]) -> pa.Table:
    """Verdicts of the rows that waited. ``overridden``: reasons that a person gave, by row."""
    plain: list[dict[str, Any]] = []
    for row in rows:
        given_up = row.messages is None
        rules = [*overridden.get(row.row["pm_row"], ()), *row.row["pm_rules"]]
        plain.append(
            {
                "shard": row.row["pm_shard"],
                "row": row.row["pm_row"],
                "row_id": row.row["id"],
                "action": "regenerate",
                "outcome": fallback if given_up else "regenerated",
                "reasons": [f"given_up:{row.reason}", *rules] if given_up else rules,
            }
        )
    return pa.Table.from_pylist(plain, schema=VERDICTS)
