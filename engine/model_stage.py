"""All staged shards through a model: many rows in flight at once, each shard published when its last row is final."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from phrasemill.engine.finish import finish_shard
from phrasemill.engine.folder import LOGS, REQUESTS, STAGED, publish_shard
from phrasemill.engine.judge_desk import until_stopped
from phrasemill.engine.judge_turns import Judge
from phrasemill.engine.manifest import ShardCommit
from phrasemill.engine.quality import Quality, open_quality
from phrasemill.engine.rewrite import RewrittenRow, Studio, rewrite_row
from phrasemill.engine.scratch import attempt_folder
from phrasemill.engine.sft import WAITING
from phrasemill.engine.shard_job import WAITING_FILE
from phrasemill.engine.stopping import Stop
from phrasemill.generators.attempts import AttemptLog
from phrasemill.generators.backend import open_backend
from phrasemill.generators.client import Client
from phrasemill.schemas.config import RunConfig
from phrasemill.schemas.trait import Trait

_POLL_SECONDS: Final = 0.2

_ROWS_PER_SLOT: Final = 2
"""Rows in work for each request that may be in flight: some wait for their next try, or are looked at."""

_READ: Final = ("id", "messages", "pm_messages_extra", "pm_rules", "pm_shard", "pm_row", WAITING)
"""Columns of a staged row that its writing needs; the input's own columns stay in the file."""


@dataclass(slots=True)
class ModelReport:
    """What the model did in this run. Replayed requests were answered from a log and not sent."""

    sent: int = 0
    replayed: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    outcomes: dict[str, int] = field(default_factory=dict)

    def add(self, row: RewrittenRow) -> None:
        """Count the attempts of a row."""
        for attempt in row.attempts:
            self.outcomes[attempt.outcome] = self.outcomes.get(attempt.outcome, 0) + 1
            if attempt.replayed:
                self.replayed += 1
            else:
                self.sent += 1
                self.completion_tokens += attempt.completion_tokens or 0


@dataclass(slots=True)
class _Open:
    """A shard in work: rows still to end, rows ended."""

    draft: ShardCommit
    left: int
    done: list[RewrittenRow] = field(default_factory=list)


def run_model_stage(
    out: Path,
    scratch: Path,
    drafts: Mapping[str, ShardCommit],
    judge: Judge,
    trait: Trait,
    config: RunConfig,
    *,
    sources: Sequence[Path],
    stop: Stop,
    on_row: Callable[[int], None],
    on_shard: Callable[[ShardCommit], None],
) -> ModelReport:
    """Finish every staged shard. ``sources``: further logs and evidence that answer requests already made.

    ``scratch`` is the run's own folder: once it is gone, another run has taken ``out`` over, and nothing is published.

    Raises:
        BackendError: the server is down; shards finished before are published, requests are kept.
        Interrupted: a signal came; the same holds.

    """
    report = ModelReport()
    started = time.monotonic()
    try:
        asyncio.run(_work(out, scratch, drafts, judge, trait, config, sources, stop, on_row, on_shard, report))
    finally:
        report.seconds = time.monotonic() - started
    stop.check()
    return report


async def _work(
    out: Path,
    scratch: Path,
    drafts: Mapping[str, ShardCommit],
    judge: Judge,
    trait: Trait,
    config: RunConfig,
    sources: Sequence[Path],
    stop: Stop,
    on_row: Callable[[int], None],
    on_shard: Callable[[ShardCommit], None],
    report: ModelReport,
) -> None:
    rows = _rows(out, drafts)
    taking = asyncio.Lock()
    publishing: set[asyncio.Task[None]] = set()
    with AttemptLog(out / REQUESTS, sources) as log:
        async with AsyncExitStack() as opened:
            client, quality = await until_stopped(_voices(out, trait, config, log, opened), stop)
            studio = Studio(client, trait, judge, config, log, quality)

            async def publish(shard: _Open) -> None:
                commit = await asyncio.to_thread(_publish, out, scratch, shard, config)
                await asyncio.to_thread(on_shard, commit)  # it may wait for an object store

            async def worker() -> None:
                while not stop:
                    async with taking:
                        item = await anext(rows, None)
                    if item is None:
                        return
                    shard, row = item
                    ended = await rewrite_row(row, studio)
                    report.add(ended)
                    shard.done.append(ended)
                    on_row(1)
                    if len(shard.done) == shard.left:
                        task = asyncio.ensure_future(publish(shard))
                        publishing.add(task)
                        await asyncio.shield(task)

            try:
                await _all_or_stop([worker() for _ in range(config.backend.concurrency * _ROWS_PER_SLOT)], stop)
            finally:
                # What is whole is published, and known to be, whatever ends the others.
                await asyncio.gather(*publishing, return_exceptions=True)


async def _voices(
    out: Path, trait: Trait, config: RunConfig, log: AttemptLog, opened: AsyncExitStack
) -> tuple[Client, Quality | None]:
    """Who writes and who judges; servers that are started are ready then."""
    client = await opened.enter_async_context(open_backend(config.backend, logs=out / LOGS))
    return client, await opened.enter_async_context(open_quality(config, trait, client, log, out / LOGS))


async def _all_or_stop(workers: Sequence[Any], stop: Stop) -> None:
    """Run the workers; a signal cancels what is in flight, an error of one cancels the others and is raised."""
    tasks = [asyncio.ensure_future(worker) for worker in workers]
    try:
        while True:
            done, pending = await asyncio.wait(tasks, timeout=_POLL_SECONDS, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
            if not pending or stop:
                return
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError, Exception):
                await task


async def _rows(out: Path, drafts: Mapping[str, ShardCommit]) -> AsyncIterator[tuple[_Open, Mapping[str, Any]]]:
    """Waiting rows of all staged shards, shard by shard; a shard is read when its first row is wanted."""
    for key, draft in drafts.items():
        path = out / STAGED / key / WAITING_FILE
        rows = pq.read_table(path, columns=list(_READ), page_checksum_verification=True).to_pylist()
        shard = _Open(draft, len(rows))
        for row in rows:
            yield shard, row


def _publish(out: Path, scratch: Path, shard: _Open, config: RunConfig) -> ShardCommit:
    key = shard.draft.key
    work = attempt_folder(scratch, key)
    commit = finish_shard(out / STAGED / key, work, shard.draft, shard.done, config)
    publish_shard(out, work, commit)
    return commit
