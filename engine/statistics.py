"""The pass before the others: filters that must know the whole corpus count it, and their counts are frozen.

The frozen file belongs to the output folder and is made once. Shards that come later are judged by it as it is.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from phrasemill.engine.beside import STATISTICS
from phrasemill.engine.columns import single
from phrasemill.engine.durable import make_folder, sync_file, sync_folder
from phrasemill.engine.executors.choose import Executor
from phrasemill.engine.executors.work import Work
from phrasemill.engine.memory import MemoryPlan, Share
from phrasemill.engine.progress import progress
from phrasemill.engine.read import read_shard
from phrasemill.engine.shard_job import load_filters, portable
from phrasemill.engine.shards import InputPlan, Shard
from phrasemill.filters.corpus import CorpusFilter
from phrasemill.filters.turns import turn_table
from phrasemill.schemas.config import FilterConfig, RunConfig

_COUNTED: Final = ("messages", "chosen")


@dataclass(frozen=True, slots=True)
class _CountJob:
    shard: Shard
    plan: InputPlan
    config: RunConfig
    filters: tuple[int, ...]
    work: Path
    share: Share


def with_statistics(
    config: RunConfig,
    plan: InputPlan,
    out: Path,
    executor: Executor,
    *,
    memory: MemoryPlan,
    stopping: Callable[[], bool],
    show_progress: bool | None,
    anew: bool,
) -> RunConfig:
    """The configuration with a frozen statistics file for every filter that wants one and names none.

    Files are made where they are missing, and all of them with ``anew``. Returns the configuration as it is where
    nothing is wanted, or where ``stopping()`` came true before all was counted.
    """
    paths = {
        at: out / STATISTICS / f"{at}-{each.name}.parquet"
        for at, each in enumerate(load_filters(config))
        if isinstance(each, CorpusFilter) and each.statistics is None
    }
    missing = tuple(at for at, path in paths.items() if anew or not path.exists())
    if missing and not _count(config, plan, executor, missing, paths, memory, stopping, show_progress):
        return config
    filters = tuple(
        FilterConfig.model_validate({"use": each.use, **each.options, "statistics": str(paths[at])})
        if at in paths
        else each
        for at, each in enumerate(config.filters)
    )
    return config.model_copy(update={"filters": filters})


def _count(
    config: RunConfig,
    plan: InputPlan,
    executor: Executor,
    wanted: tuple[int, ...],
    paths: dict[int, Path],
    memory: MemoryPlan,
    stopping: Callable[[], bool],
    show_progress: bool | None,
) -> bool:
    work = executor.scratch / STATISTICS
    work.mkdir()
    jobs = [_CountJob(shard, plan.only(shard), portable(config), wanted, work, memory.share) for shard in plan.shards]
    total = None if any(shard.rows is None for shard in plan.shards) else sum(shard.rows or 0 for shard in plan.shards)
    counts = executor.run("counts", _COUNTS, jobs, workers=memory.workers, stopping=stopping)
    with closing(counts), progress("counting", total, "rows", enabled=show_progress) as advance:
        for rows in counts:
            advance(rows)
    if stopping():
        return False
    filters = load_filters(config)
    for at in wanted:
        each = filters[at]
        if isinstance(each, CorpusFilter):
            parts = [
                path for key in sorted(shard.key for shard in plan.shards) if (path := _part(work, at, key)).exists()
            ]
            make_folder(paths[at].parent)
            waiting = paths[at].with_suffix(".tmp")
            pq.write_table(each.freeze(parts), waiting, compression="zstd")
            sync_file(waiting)
            waiting.replace(paths[at])
            sync_folder(paths[at].parent)
    return True


def _part(work: Path, at: int, key: str) -> Path:
    return work / f"{at}-{key}.parquet"


def _count_shard(job: _CountJob) -> int:
    """Count one shard for every filter that wants it; returns its rows. Counts show up as a whole."""
    keeper = job.share.keeper()
    filters = load_filters(job.config)
    token = secrets.token_hex(6)
    writers: dict[int, pq.ParquetWriter] = {}
    rows = 0
    try:
        for batch in read_shard(job.shard, job.plan, job.share.batch_bytes):
            rows += len(batch.table) + len(batch.quarantine)
            for name in _COUNTED:
                if name not in batch.table.column_names:
                    continue
                before = single(batch.table, "prompt") if name == "chosen" else None
                turns = turn_table(name, single(batch.table, name), before).in_shard(job.shard.key, batch.row)
                for at in job.filters:
                    each = filters[at]
                    if isinstance(each, CorpusFilter):
                        counted = each.count(turns.having_role(each.reads()))
                        if at not in writers:
                            path = _part(job.work, at, f"{job.shard.key}.{token}")
                            writers[at] = pq.ParquetWriter(path, counted.schema, compression="zstd")
                        writers[at].write_table(counted)
            keeper.keep()
    finally:
        for writer in writers.values():
            writer.close()
    for at in writers:
        _part(job.work, at, f"{job.shard.key}.{token}").replace(_part(job.work, at, job.shard.key))
    return rows


def _key(job: _CountJob) -> str:
    return job.shard.key


def _source(job: _CountJob) -> str:
    return job.shard.source


def _same(rows: int) -> int:
    return rows


def _told(rows: Any, _scratch: Path) -> int:
    return int(rows)


_COUNTS: Final[Work[_CountJob, int]] = Work(_count_shard, _key, _source, _same, _told)
