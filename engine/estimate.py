"""What a run would take: a seeded sample of its rows judged now, scaled up, at the rates measured here and before."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt
import orjson

from phrasemill.engine.clean_batch import BatchJob, process_batch
from phrasemill.engine.display import PlanSource
from phrasemill.engine.ingest_lines import count_rows
from phrasemill.engine.judge_turns import Judge
from phrasemill.engine.manifest import read_manifest
from phrasemill.engine.query import open_catalog
from phrasemill.engine.read import read_shard
from phrasemill.engine.settings import load_config
from phrasemill.engine.sft import WAITING
from phrasemill.engine.shard_job import load_filters
from phrasemill.engine.shards import InputPlan, Shard
from phrasemill.engine.tally import Tally
from phrasemill.generators.traits import load_traits
from phrasemill.schemas.config import RunConfig
from phrasemill.schemas.errors import IntegrityError

SAMPLE_ROWS: Final = 2_000
"""Rows that are judged for an estimate."""

SAMPLE_SHARDS: Final = 16
"""Shards that the sample is drawn from, more where these hold fewer rows: others are not read."""

CHARACTERS_A_TOKEN: Final = 4
"""A rule of thumb for English; no tokenizer is loaded for an estimate."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run is expected to need. ``rows_exact`` false: rows of JSON lines were estimated from their bytes.

    ``requests`` is one a turn, or as many as turns took in ``base``; ``model_hours`` is None without a base that asked
    a model. Work that a run with ``base`` takes over is not subtracted.
    """

    rows: int
    rows_exact: bool
    sample_rows: int
    model_share: float
    model_rows: int
    requests: int
    requests_at_most: int
    prompt_tokens: int
    completion_tokens: int
    cpu_hours: float
    model_hours: float | None
    base: str | None


@dataclass(slots=True)
class _Sampled:
    """Sums over the judged sample. ``seconds``: find, decide, repair and lay out."""

    rows: int = 0
    waiting: int = 0
    turns: int = 0
    prompt_characters: int = 0
    answer_characters: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Measured:
    """Rates of an earlier run. ``tokens_per_second`` is that of one request; ``concurrency`` ran at once."""

    requests_a_turn: float
    tokens_per_second: float
    concurrency: int


def plan_sources(plan: InputPlan, base: Path | None) -> list[PlanSource]:
    """A line a file, in order: its shards, rows as sampled, and how many of the shards ``base`` has."""
    known = set() if base is None else {commit.key for commit in read_manifest(base).shards}
    lines: list[PlanSource] = []
    for file in plan.files:
        shards = [shard for shard in plan.shards if shard.path == file.path]
        rows = [_rows(plan, shard) for shard in shards]
        counted = None if None in rows else sum(row or 0 for row in rows)
        done = sum(shard.key in known for shard in shards)
        lines.append(PlanSource(file.path, file.kind, len(shards), counted, file.size, done))
    return lines


def estimate(config: RunConfig, plan: InputPlan, base: Path | None = None) -> Estimate:
    """Judge a sample in this process and scale it to the plan.

    Raises:
        ConfigError, InputError, IntegrityError: packs, traits, the input or ``base`` cannot be used.

    """
    drawn, counted = _draw(plan, config.seed)
    sampled = _judge(config, drawn)
    rows, exact = _all_rows(plan, counted)
    scale = rows / sampled.rows if sampled.rows else 0.0
    measured = None if base is None else _measure(base)
    turns = sampled.turns * scale
    requests = turns * (measured.requests_a_turn if measured else 1.0)
    mean_prompt = sampled.prompt_characters / sampled.turns / CHARACTERS_A_TOKEN if sampled.turns else 0.0
    mean_answer = sampled.answer_characters / sampled.turns / CHARACTERS_A_TOKEN if sampled.turns else 0.0
    completion = requests * min(mean_answer, config.backend.max_tokens)
    return Estimate(
        rows=rows,
        rows_exact=exact,
        sample_rows=sampled.rows,
        model_share=sampled.waiting / sampled.rows if sampled.rows else 0.0,
        model_rows=round(sampled.waiting * scale),
        requests=math.ceil(requests),
        requests_at_most=math.ceil(turns * config.regenerate.attempts),
        prompt_tokens=round(requests * mean_prompt),
        completion_tokens=round(completion),
        cpu_hours=sampled.seconds * scale / 3600,
        model_hours=None
        if measured is None
        else completion / (measured.tokens_per_second * measured.concurrency) / 3600,
        base=None if measured is None else str(base),
    )


def _rows(plan: InputPlan, shard: Shard) -> int | None:
    return shard.rows if plan.sample is None else len(plan.sample[shard.key])


def _all_rows(plan: InputPlan, counted: Mapping[str, int]) -> tuple[int, bool]:
    """Rows of the plan, and whether they are counted; uncounted shards have as many a byte as those of the sample."""
    rows = {shard.key: _rows(plan, shard) for shard in plan.shards}
    known = {key: count if count is not None else counted.get(key) for key, count in rows.items()}
    total = sum(count for count in known.values() if count is not None)
    unknown = sum(shard.stop - shard.start for shard in plan.shards if known[shard.key] is None)
    if not unknown:
        return total, True
    seen = [shard for shard in plan.shards if shard.rows is None and shard.key in counted]
    size = sum(shard.stop - shard.start for shard in seen)
    return total + round(unknown * sum(counted[shard.key] for shard in seen) / max(size, 1)), False


def _draw(plan: InputPlan, seed: int) -> tuple[InputPlan, dict[str, int]]:
    """The plan with a sample of at most SAMPLE_ROWS rows of some shards, and the rows that these have, by key."""
    random = np.random.Generator(np.random.PCG64(seed))
    shards: list[Shard] = []
    pools: list[npt.NDArray[np.int64]] = []
    for place in random.permutation(len(plan.shards)):
        if len(shards) >= SAMPLE_SHARDS and sum(map(len, pools)) >= SAMPLE_ROWS:
            break
        shard = plan.shards[int(place)]
        if shard.rows is None:
            shard = replace(shard, rows=count_rows(shard))
        shards.append(shard)
        pools.append(np.arange(shard.rows or 0, dtype=np.int64) if plan.sample is None else plan.sample[shard.key])
    total = sum(map(len, pools))
    picked = np.sort(random.choice(total, min(total, SAMPLE_ROWS), replace=False))
    sample: dict[str, npt.NDArray[np.int64]] = {}
    begin = 0
    for shard, pool in zip(shards, pools, strict=True):
        inside = picked[(picked >= begin) & (picked < begin + len(pool))]
        sample[shard.key] = pool[inside - begin]
        begin += len(pool)
    counted = {shard.key: len(pool) for shard, pool in zip(shards, pools, strict=True)}
    return replace(plan, shards=tuple(shards), rows=len(picked), sample=sample), counted


def _judge(config: RunConfig, plan: InputPlan) -> _Sampled:
    """Judge the sample twice: first rules are compiled as they are needed, which a run does once and not by the row."""
    traits = load_traits(config.traits)
    allow = frozenset(name for trait in traits for name in trait.phrases.allow)
    job = BatchJob("", "run", Judge(load_filters(config), config.policy, allow), True, config.pairs, plan.schema)
    drawn = [shard for shard in plan.shards if len((plan.sample or {})[shard.key])]
    batches = [batch for shard in drawn for batch in read_shard(shard, plan.only(shard))]
    asks = len(traits[0].pos_instruction)
    sampled, tally = _Sampled(), Tally()
    for batch in batches:
        waiting = process_batch(batch, job, tally).waiting
        sampled.waiting += len(waiting)
        for prompt, answer in _turns(waiting.select(["messages", WAITING]).to_pylist()):
            sampled.turns += 1
            sampled.prompt_characters += asks + prompt
            sampled.answer_characters += answer
    started = time.process_time()
    for batch in batches:
        process_batch(batch, job, Tally())
    sampled.seconds = time.process_time() - started
    sampled.rows = tally.rows_in
    return sampled


def _turns(rows: list[dict[str, Any]]) -> Iterator[tuple[int, int]]:
    """Characters before each turn that a model writes, and of the turn as it was."""
    for row in rows:
        lengths = [len(message["content"] or "") for message in row["messages"]]
        for turn in orjson.loads(row[WAITING])["turns"]:
            if turn["action"] == "regenerate":
                yield sum(lengths[: turn["turn"]]), len(turn["original"])


def _measure(base: Path) -> _Measured | None:
    """Rates from the answers that ``base`` keeps as evidence; None where no model was asked."""
    with open_catalog(base) as catalog:
        try:
            found = catalog.execute(
                "SELECT count(*), count(DISTINCT (shard, row, field, turn)), coalesce(sum(completion_tokens), 0), "
                "coalesce(sum(seconds), 0) FROM generations WHERE completion_tokens > 0 AND seconds > 0"
            ).fetchone()
        except duckdb.Error as error:
            raise IntegrityError(f"{base}: its generations cannot be read: {error}") from error
    if found is None or not found[0]:
        return None
    requests, turns, tokens, seconds = found
    return _Measured(requests / turns, tokens / seconds, load_config(base / "config.yaml").backend.concurrency)
