"""One shard, from its rows to finished part files: what a worker process does."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from phrasemill.engine.clean_batch import BatchJob, BatchResult, process_batch
from phrasemill.engine.executors.work import Work
from phrasemill.engine.fates import Mode
from phrasemill.engine.judge_turns import Judge
from phrasemill.engine.known_spans import KnownSpans
from phrasemill.engine.manifest import ShardCommit, check_ledger, part_path
from phrasemill.engine.memory import NO_LIMIT, Share
from phrasemill.engine.override_turns import EXEMPT
from phrasemill.engine.overrides import NO_OVERRIDES, Overrides
from phrasemill.engine.pairs import PREFERENCE
from phrasemill.engine.part_writer import PartWriter
from phrasemill.engine.read import read_shard
from phrasemill.engine.scratch import attempt_folder
from phrasemill.engine.sft import sft_schema, waiting_schema
from phrasemill.engine.shards import InputPlan, Shard
from phrasemill.engine.tally import Tally
from phrasemill.filters.base import Filter, load_filter
from phrasemill.filters.packs import packs_fingerprint
from phrasemill.schemas.config import FilterConfig, RunConfig
from phrasemill.schemas.errors import IntegrityError
from phrasemill.schemas.generate import GenerateConfig
from phrasemill.schemas.tables import ORIGINALS, QUARANTINE, SPANS, VERDICTS

WAITING_FILE: Final = "waiting.parquet"

_FILES: Final = ("statistics", "phrases", "model")
"""Options of filters that name a file, on whose content the loaded filter depends."""


@dataclass(frozen=True, slots=True)
class ShardJob:
    """Everything that a worker needs. ``scratch``: the run's own folder, in which each execution makes one of its own.

    ``base``: a folder that has this shard's spans just as a scan finds them. ``overrides``: a person's verdicts on
    rows of this shard. ``share``: the memory of the process that does it.
    """

    shard: Shard
    plan: InputPlan
    config: RunConfig
    mode: Mode
    decides: bool
    allow: frozenset[str]
    fingerprints: dict[str, str]
    scratch: Path
    base: Path | None = None
    overrides: Overrides = NO_OVERRIDES
    share: Share = NO_LIMIT


@dataclass(frozen=True, slots=True)
class ShardResult:
    """A shard's finished files under ``work`` and its record; ``waiting`` rows still need a model."""

    commit: ShardCommit
    work: Path
    waiting: int
    reused_spans: bool


def run_shard(job: ShardJob) -> ShardResult:
    """Read, judge and write one shard. Nothing becomes visible; the ledger is checked."""
    work = attempt_folder(job.scratch, job.shard.key)
    keeper = job.share.keeper()
    known = _known_spans(job)
    writers = _writers(job, work)
    batch_job = BatchJob(
        shard=job.shard.key,
        mode=job.mode,
        judge=Judge(load_filters(job.config), job.config.policy, job.allow),
        decides=job.decides,
        pairs=job.config.pairs,
        passthrough=job.plan.schema,
        known=known,
        overrides=job.overrides,
    )
    tally = Tally()
    try:
        for batch in read_shard(job.shard, job.plan, job.share.batch_bytes):
            result = process_batch(batch, batch_job, tally)
            for name, writer in writers.items():
                writer.write(_table(result, name))
            del batch, result
            keeper.keep()
    except BaseException:
        for writer in writers.values():
            writer.abandon()
        raise
    records = [record for name, writer in writers.items() if (record := writer.close()) and name != "waiting"]
    waiting = writers["waiting"].rows
    commit = ShardCommit(
        key=job.shard.key,
        source=job.shard.path,
        source_hash=job.shard.content_hash,
        kind=job.shard.kind,
        start=job.shard.start,
        stop=job.shard.stop,
        rows_in=tally.rows_in,
        outcomes=dict(tally.outcomes),
        reasons=dict(tally.reasons),
        hits=tally.categories(),
        rules=dict(tally.rules),
        pairs=dict(tally.pairs),
        pairs_withheld=dict(tally.withheld),
        fingerprints=job.fingerprints,
        files=tuple(records),
    )
    if not waiting:
        check_ledger(commit)
    return ShardResult(commit, work, waiting, known is not None)


def shard_key(job: ShardJob) -> str:
    """The key of the shard."""
    return job.shard.key


def shard_source(job: ShardJob) -> str:
    """Where the shard's rows come from, for people."""
    return job.shard.source


def encode_result(result: ShardResult) -> dict[str, Any]:
    """A result as JSON. The place of its files is a name in the run's own folder."""
    return {
        "commit": result.commit.model_dump(mode="json"),
        "work": result.work.name,
        "waiting": result.waiting,
        "reused_spans": result.reused_spans,
    }


def decode_result(told: dict[str, Any], scratch: Path) -> ShardResult:
    """The result that a worker told. IntegrityError: its files are not those of an execution of its shard."""
    commit = ShardCommit.model_validate(told["commit"])
    if not re.fullmatch(rf"{re.escape(commit.key)}\.[0-9a-f]+", told["work"]):
        raise IntegrityError(f"{commit.source}, shard {commit.key}: a worker told of files in {told['work']!r}")
    return ShardResult(commit, scratch / told["work"], int(told["waiting"]), bool(told["reused_spans"]))


SHARD_WORK: Final[Work[ShardJob, ShardResult]] = Work(run_shard, shard_key, shard_source, encode_result, decode_result)


def portable(config: RunConfig) -> RunConfig:
    """The configuration as it is, with files that its filters name by absolute paths: it means the same elsewhere."""
    filters = tuple(
        FilterConfig(use=each.use, **{name: _absolute(name, value) for name, value in each.options.items()})
        for each in config.filters
    )
    return config.model_copy(update={"filters": filters})


def _absolute(name: str, value: object) -> object:
    named = name in _FILES and isinstance(value, str) and os.path.isfile(value)
    return os.path.abspath(str(value)) if named else value


def _table(result: BatchResult, name: str) -> pa.Table:
    table: pa.Table = getattr(result, name)
    return table


def _writers(job: ShardJob, work: Path) -> dict[str, PartWriter]:
    """A writer per table that this run publishes."""
    schemas = {"spans": SPANS, "originals": ORIGINALS, "verdicts": VERDICTS, "quarantine": QUARANTINE}
    if job.mode != "scan":
        if job.config.output.sft:
            schemas["sft"] = sft_schema(job.plan.schema)
        if job.config.output.preference:
            schemas["preference"] = PREFERENCE
    compression = job.config.output.compression
    writers = {
        name: PartWriter(work / part_path(name, job.shard.key), part_path(name, job.shard.key), schema, compression)
        for name, schema in schemas.items()
    }
    waiting = waiting_schema(job.plan.schema)
    writers["waiting"] = PartWriter(work / WAITING_FILE, WAITING_FILE, waiting, compression)
    return writers


def _known_spans(job: ShardJob) -> KnownSpans | None:
    """The spans that an earlier run stored for this shard; it had none where there is no file.

    What a person excused there is not excused here: the verdicts of this run say what is.
    """
    if job.base is None:
        return None
    path = job.base / part_path("spans", job.shard.key)
    found = pq.read_table(path, page_checksum_verification=True) if path.exists() else SPANS.empty_table()
    excused = pc.equal(found["exempt"], EXEMPT).combine_chunks()
    scanned = pc.if_else(pc.fill_null(excused, False), pa.scalar(None, pa.large_string()), found["exempt"])
    return KnownSpans(found.set_column(found.schema.get_field_index("exempt"), SPANS.field("exempt"), scanned))


def load_filters(config: RunConfig | GenerateConfig) -> tuple[Filter, ...]:
    """The configured filters, loaded and compiled once per process and content of their packs."""
    packs = [name for each in config.filters for name in each.options.get("packs", ())]
    paths = [each.options.get(name) for each in config.filters for name in _FILES]
    stamps = [_stamp(Path(path)) for path in paths if isinstance(path, str)]
    return _loaded(config.model_dump_json(include={"filters"}), packs_fingerprint(packs), tuple(stamps))


def _stamp(path: Path) -> tuple[int, int]:
    """What changes when a file does; nothing where there is none, as for a shipped name."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=4)
def _loaded(filters: str, _packs: str, _files: tuple[tuple[int, int], ...]) -> tuple[Filter, ...]:
    parts = orjson.loads(filters)["filters"]
    return tuple(load_filter(FilterConfig.model_validate(part)) for part in parts)
