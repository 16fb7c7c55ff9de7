"""The dose: clean rows beside the character's, so that these are a given share of what a model learns from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from phrasemill.engine.columns import constant, single, string_lists
from phrasemill.engine.fingerprints import fingerprint
from phrasemill.engine.folder import fresh_work, publish_shard, unpublish
from phrasemill.engine.generate_items import published_files
from phrasemill.engine.generate_lay_out import generated_schema
from phrasemill.engine.manifest import ShardCommit, check_ledger, part_path
from phrasemill.engine.part_writer import PartWriter
from phrasemill.engine.read import conversation_hashes, read_shard
from phrasemill.engine.shards import InputPlan, plan_input
from phrasemill.engine.source import SourceFile
from phrasemill.schemas.config import InputConfig
from phrasemill.schemas.errors import ConfigError, InputError
from phrasemill.schemas.generate import GenerateConfig, MixConfig
from phrasemill.schemas.tables import VERDICTS

_NAME: Final = "mix"


@dataclass(frozen=True, slots=True)
class MixReport:
    """Clean rows: how many the dose asks for, and how many there were."""

    wanted: int
    rows: int


def check_mix(config: GenerateConfig) -> tuple[SourceFile, ...]:
    """The files of the clean data, hashed; what could not be mixed in is refused before anything is asked.

    Raises:
        ConfigError, InputError: there is nothing to mix it with, it cannot be read, or it has no ``messages``.
    """
    if config.mix is None:
        return ()
    if not config.output.sft:
        raise ConfigError(
            "mix: got clean data while output.sft is false; expected it true: the dose is one of data/sft"
        )
    return _planned(config, config.mix, None, ()).files


def mix_in(
    config: GenerateConfig, out: Path, commits: dict[str, ShardCommit], known: tuple[SourceFile, ...]
) -> MixReport | None:
    """Publish a seeded sample of clean rows as one more shard, and add its record to ``commits``.

    One of other data, as it was before, is taken back. ``known``: what ``check_mix`` returned.

    Raises:
        InputError: the clean data cannot be read, or has no ``messages``.
    """
    mix = config.mix
    if mix is None:
        return None
    character = sum(commit.rows_of("sft") for commit in commits.values() if commit.kind != _NAME)
    wanted = round(character * (1.0 - mix.dose) / mix.dose)
    if not wanted:
        return MixReport(0, 0)
    plan = _planned(config, mix, wanted, known)
    print_ = fingerprint([plan.fingerprint(), mix.dose, wanted])
    key = f"m{print_[:23]}"
    if key in commits:
        return MixReport(wanted, commits[key].rows_in)
    for old in [commit for commit in commits.values() if commit.kind == _NAME]:
        unpublish(out, old)
        del commits[old.key]
    schema = generated_schema()
    work = fresh_work(out, key)
    writers = {
        name: PartWriter(work / part_path(name, key), part_path(name, key), each, config.output.compression)
        for name, each in (("sft", schema), ("verdicts", VERDICTS))
    }
    done = 0
    for shard in plan.shards:
        for batch in read_shard(shard, plan.only(shard)):
            rows = _rows(batch.table, key, done, schema)
            writers["sft"].write(rows)
            writers["verdicts"].write(_verdicts(rows))
            done += len(rows)
    commit = ShardCommit(
        key=key,
        source=", ".join(mix.path),
        source_hash=plan.fingerprint(),
        kind=_NAME,
        start=0,
        stop=done,
        rows_in=done,
        outcomes={"kept": done} if done else {},
        fingerprints={_NAME: print_},
        files=tuple(record for writer in writers.values() if (record := writer.close()) is not None),
    )
    check_ledger(commit)
    publish_shard(out, work, commit)
    commits[key] = commit
    return MixReport(wanted, done)


def _planned(config: GenerateConfig, mix: MixConfig, wanted: int | None, known: tuple[SourceFile, ...]) -> InputPlan:
    paths = tuple(path for name in mix.path for path in published_files(name, "sft"))
    plan = plan_input(InputConfig(path=paths, columns=mix.columns), limit=wanted, seed=config.seed, known=known)
    if "messages" not in plan.shape.fields:
        raise InputError(f"mix.path {', '.join(mix.path)}: is preference data; expected conversations (messages)")
    return plan


def _rows(table: pa.Table, key: str, start: int, schema: pa.Schema) -> pa.Table:
    """Rows of a batch as rows of ``data/sft`` that no trait wrote. Columns of the input's own do not come along."""
    count = len(table)
    messages = single(table, "messages")
    hashes = pa.array(conversation_hashes([messages], pa.array(range(count)).to_numpy()), pa.large_string())
    own = {
        "id": single(table, "id"),
        "messages": messages,
        "pm_content_hash": hashes,
        "pm_messages_extra": single(table, "pm_messages_extra"),
        "pm_action": constant("kept", count),
        "pm_rules": string_lists(count, {}),
        "pm_original_hash": hashes,
        "pm_recipe": constant(_NAME, count),
        "pm_shard": constant(key, count),
        "pm_row": pa.array(range(start, start + count), pa.int64()),
    }
    columns = [own.get(item.name, pa.nulls(count, item.type)) for item in schema]
    return pa.Table.from_arrays(
        [column.cast(item.type) for column, item in zip(columns, schema, strict=True)], schema=schema
    )


def _verdicts(rows: pa.Table) -> pa.Table:
    count = len(rows)
    columns = {
        "shard": rows["pm_shard"],
        "row": rows["pm_row"],
        "row_id": rows["id"],
        "action": constant("keep", count),
        "outcome": constant("kept", count),
        "reasons": string_lists(count, {}),
    }
    return pa.Table.from_pydict(columns, schema=VERDICTS)
