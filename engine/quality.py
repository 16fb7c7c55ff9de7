"""The quality gate of a run: what a judge says of a turn that was written again, before it is a chosen side."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blake3 import blake3

from phrasemill.generators.ask import Ask, Desk, Item, NoAnswer, Voice, item_key
from phrasemill.generators.attempts import Attempt, AttemptLog
from phrasemill.generators.backend import open_backend
from phrasemill.generators.client import Client
from phrasemill.generators.judging.calibration import trusted
from phrasemill.generators.judging.gate import Gate, Gated, gate
from phrasemill.generators.judging.scorers import open_judge
from phrasemill.generators.tasks import TurnTask
from phrasemill.schemas.backend import BackendConfig
from phrasemill.schemas.config import RunConfig
from phrasemill.schemas.judge import JudgeConfig
from phrasemill.schemas.trait import Trait


@dataclass(frozen=True, slots=True)
class Quality:
    """Who judges, and where answers are kept."""

    desk: Desk
    gate: Gate
    trait: Trait

    async def judged(self, task: TurnTask, text: str) -> tuple[Gated, tuple[Attempt, ...]]:
        """What the judge makes of ``text`` in the place of the task's turn, and the requests that this took.

        Raises:
            BackendError: the judge's server is down.
        """
        item = Item(
            self.trait,
            item_key(self.trait, task.before),
            task.before,
            shard=task.shard,
            row=task.row,
            row_id=task.row_id,
        )
        ask = Ask(self.desk, item)
        try:
            found = await gate(ask, self.trait, task.before, text, self.gate)
        except NoAnswer:
            found = Gated("invalid")
        return found, tuple(ask.attempts)


@asynccontextmanager
async def open_quality(
    config: RunConfig, trait: Trait, client: Client, log: AttemptLog, logs: Path
) -> AsyncIterator[Quality | None]:
    """The gate that the configuration sets, None where pairs of rewritten turns need no judge or nobody was named.

    Raises:
        ConfigError, PluginError: its calibration or its file cannot be used. BackendError: its server is down.
    """
    judge = config.judge
    if not (gates_pairs(config) and is_named(config)):
        yield None
        return
    settings = judge.backend or config.backend
    if judge.use == "classifier" or judge.backend is None:
        yield _quality(config, trait, Voice(client, settings), log)
        return
    async with open_backend(judge.backend, logs=logs) as other:
        yield _quality(config, trait, Voice(other, settings), log)


def quality_identity(config: RunConfig) -> dict[str, Any] | None:
    """What the gate's decisions depend on, as plain data; None where no judge decides on a pair."""
    if not (gates_pairs(config) and is_named(config)):
        return None
    plain = config.judge.model_dump(mode="json", exclude={"backend", "path", "calibration"})
    if config.judge.backend is not None:
        plain["backend"] = config.judge.backend.model_dump(mode="json", exclude=set(BackendConfig.UNDECIDING))
    plain["files"] = judge_files(config.judge)
    return plain


def judge_files(judge: JudgeConfig) -> list[str | None]:
    """What stands in the files that a judge's decisions depend on: hashes, and names of what is not there."""
    found: list[str | None] = []
    for name in (judge.path, judge.calibration):
        path = Path(name or "")
        # The records of a folder of classifiers hold the checksums of their models.
        files = sorted(path.glob("*.json")) if name and path.is_dir() else [path]
        whole = [file for file in files if file.is_file()]
        found += [blake3(file.read_bytes()).hexdigest() for file in whole] or [name]
    return found


def is_named(config: RunConfig) -> bool:
    """Whether a judge is named at all: by its calibration, by trust without one, or as a classifier."""
    judge = config.judge
    return judge.use == "classifier" or judge.calibration is not None or judge.trust_uncalibrated


def gates_pairs(config: RunConfig) -> bool:
    """Whether a judge decides on any pair of the configuration."""
    pairs = config.pairs
    return config.output.preference and pairs.quality == "judge" and "regenerate" in pairs.kinds


def _quality(config: RunConfig, trait: Trait, voice: Voice, log: AttemptLog) -> Quality:
    desk = Desk(
        voices={"judge": voice},
        log=log,
        scan=lambda *_: [],
        refuses=lambda *_: False,
        find=lambda *_: [],
        seed=config.seed,
        recipe=config.regenerate.recipe,
    )
    return Quality(
        desk, Gate(open_judge(config.judge, [trait]), trusted(config.judge, voice.client.model, [trait])), trait
    )
