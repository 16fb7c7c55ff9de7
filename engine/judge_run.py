"""``phrasemill judge run``: a judge over the last answers, or the pairs, of a data set."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from phrasemill.engine.damage import mend_requests
from phrasemill.engine.durable import sync_folder
from phrasemill.engine.folder import TEMPORARY, locked
from phrasemill.engine.judge_desk import WINDOW, check_out, in_order, judging_desk, until_stopped
from phrasemill.engine.judge_report import JUDGED_NAME, Judged, TraitTally, load_judged, write_judged
from phrasemill.engine.judge_tasks import JudgeTask, What, check_shape, data_path, judge_tasks
from phrasemill.engine.manifest import FileRecord
from phrasemill.engine.part_writer import ROW_GROUP_ROWS, PartWriter
from phrasemill.engine.progress import Advance, progress
from phrasemill.engine.shards import InputPlan, plan_input
from phrasemill.engine.stopping import stop_on_signals
from phrasemill.generators.ask import Ask, Desk, Item, item_key
from phrasemill.generators.judging.calibration import TEMPLATES
from phrasemill.generators.judging.pairwise import compare
from phrasemill.generators.judging.pointwise import score
from phrasemill.generators.tasks import Message
from phrasemill.generators.traits import trait_hash
from phrasemill.schemas.backend import BackendConfig
from phrasemill.schemas.config import InputConfig
from phrasemill.schemas.errors import ConfigError
from phrasemill.schemas.tables import JUDGEMENTS
from phrasemill.schemas.trait import Trait

JUDGEMENTS_FOLDER: Final = "judgements"

_HELD_CHARACTERS: Final = 16_000_000
"""Text that may wait for a row group of its own, so that long answers make smaller ones."""


@dataclass(frozen=True, slots=True)
class Judging:
    """What is judged by whom. ``paths``: output folders of ours, or anything that can be read as an input.

    ``across``: every row under every trait, so that one trait can be seen to lower another.
    """

    paths: tuple[str, ...]
    traits: tuple[Trait, ...]
    backend: BackendConfig
    what: What = "sft"
    across: bool = False
    limit: int | None = None
    seed: int = 1
    show_progress: bool | None = None


@dataclass(frozen=True, slots=True)
class _Judged:
    """A row of ``JUDGEMENTS``, and how many requests of it were sent and answered from the log."""

    row: Mapping[str, Any]
    sent: int
    replayed: int


def run_judge(judging: Judging, out: Path) -> Judged:
    """Judge everything and write ``judgements/`` and, last of all, ``judged.json`` to ``out``.

    The same command again sends no finished request. A folder without ``judged.json`` is not finished.

    Raises:
        InputError: nothing can be read, or there are no pairs where pairs are wanted.
        ConfigError: the folder holds a data set, or the verdicts of another judge.
        BackendError, Interrupted, LockedError: the same command goes on where this one ended.
    """
    check_out(out)
    paths = tuple(data_path(path, "preference" if judging.what == "pairs" else "sft") for path in judging.paths)
    plan = plan_input(InputConfig(path=paths), limit=judging.limit, seed=judging.seed)
    check_shape(plan, judging.what)
    with locked(out), stop_on_signals() as stop:
        shutil.rmtree(out / TEMPORARY, ignore_errors=True)
        mend_requests(out)
        total = plan.rows if judging.limit is None or plan.rows is None else min(judging.limit, plan.rows)
        with progress("judging", total, "rows", enabled=judging.show_progress) as advance:
            report = asyncio.run(until_stopped(_judge(judging, plan, out, advance), stop))
        _publish(out)
        write_judged(out, report)
    return report


async def _judge(judging: Judging, plan: InputPlan, out: Path, advance: Advance) -> Judged:
    tallies = {trait.id: TraitTally(trait.id, trait_hash(trait)) for trait in judging.traits}
    skipped: Counter[str] = Counter()
    requests: Counter[str] = Counter()
    tasks = judge_tasks(plan, judging.traits, judging.what, skipped, across=judging.across)
    async with judging_desk(out, judging.backend, judging.seed) as desk:
        model = desk.voices["judge"].client.model
        _refuse_other(out, model, judging.what)

        async def work(task: JudgeTask) -> _Judged:
            return await _judgement(task, desk)

        parts = _Parts(out / TEMPORARY / JUDGEMENTS_FOLDER)
        try:
            async with aclosing(in_order(tasks, work, WINDOW * judging.backend.concurrency)) as done:
                last: tuple[str, int] | None = None
                async for each in done:
                    _count(tallies[each.row["trait_id"]], each.row)
                    requests.update(sent=each.sent, replayed=each.replayed)
                    parts.add(each.row)
                    place = (each.row["shard"], each.row["row"])
                    advance(int(place != last))
                    last = place
        finally:
            parts.close()
        return Judged(
            model=model,
            templates=dict(TEMPLATES),
            what=judging.what,
            input=judging.paths,
            traits=tuple(tally.summary(judging.seed) for tally in tallies.values()),
            skipped={reason: count for reason, count in sorted(skipped.items()) if count},
            sent=requests["sent"],
            replayed=requests["replayed"],
            files=tuple(parts.files),
        )


def _refuse_other(out: Path, model: str, what: What) -> None:
    """Verdicts that the same command could not bring back from the log are not replaced."""
    if not (out / JUDGED_NAME).exists():
        return
    held = load_judged(out)
    if (held.model, held.what) != (model, what):
        raise ConfigError(
            f"{out}: holds verdicts of {held.model} on {held.what}, got {model} on {what}; write to a new folder"
        )


async def _judgement(task: JudgeTask, desk: Desk) -> _Judged:
    texts = [task.text] if task.other is None else [task.text, task.other]
    answers = [Message("assistant", text) for text in texts]
    item = Item(
        task.trait,
        item_key(task.trait, (*task.conversation, *answers)),
        task.conversation,
        task.shard,
        task.row,
        task.row_id,
    )
    ask = Ask(desk, item)
    made: dict[str, Any]
    if task.other is None:
        found = await score(ask, task.trait, task.conversation, task.text)
        made = {"method": "pointwise", "score": found.value, "label": found.label, "request_hash": found.request_hash}
    else:
        both = await compare(ask, task.trait, task.conversation, task.text, task.other)
        made = {"method": "pairwise", "score": None, "label": both.label, "request_hash": both.request_hash}
    replayed = sum(attempt.replayed for attempt in ask.attempts)
    row = {
        "shard": task.shard,
        "row": task.row,
        "row_id": task.row_id,
        "field": task.field,
        "turn": task.turn,
        "trait_id": task.trait.id,
        "trait_hash": trait_hash(task.trait),
        "text": task.text,
        "other": task.other,
        "model": desk.voices["judge"].client.model,
        "template": TEMPLATES[made["method"]],
        "seconds": sum(attempt.seconds or 0.0 for attempt in ask.attempts),
        **made,
        "request_hash": made["request_hash"] or None,
    }
    return _Judged(row, len(ask.attempts) - replayed, replayed)


def _count(tally: TraitTally, row: Mapping[str, Any]) -> None:
    if row["method"] == "pairwise":
        tally.both[row["label"]] += 1
        return
    tally.alone[row["label"]] += 1
    if row["score"] is not None:
        tally.scores.append(row["score"])


class _Parts:
    """One part file a shard under ``folder``; rows come shard by shard, and a row group of them is held at most."""

    def __init__(self, folder: Path) -> None:
        self.files: list[FileRecord] = []
        self._folder = folder
        self._rows: list[Mapping[str, Any]] = []
        self._held = 0
        self._writer: PartWriter | None = None
        self._shard = ""

    def add(self, row: Mapping[str, Any]) -> None:
        """Take a row; a row of another shard ends the part before it."""
        if row["shard"] != self._shard:
            self.close()
            self._shard = row["shard"]
            name = f"part-{self._shard}.parquet"
            self._writer = PartWriter(self._folder / name, f"{JUDGEMENTS_FOLDER}/{name}", JUDGEMENTS, "zstd")
        self._rows.append(row)
        self._held += len(row["text"]) + len(row["other"] or "")
        if len(self._rows) >= ROW_GROUP_ROWS or self._held >= _HELD_CHARACTERS:
            self._flush()

    def close(self) -> None:
        """Finish the part in work."""
        self._flush()
        if self._writer is not None and (record := self._writer.close()) is not None:
            self.files.append(record)
        self._writer = None

    def _flush(self) -> None:
        if self._writer is not None and self._rows:
            self._writer.write(pa.Table.from_pylist([dict(row) for row in self._rows], schema=JUDGEMENTS))
        self._rows, self._held = [], 0


def _publish(out: Path) -> None:
    """Put the new parts in the place of the old ones. While neither is whole there is no report."""
    (out / JUDGED_NAME).unlink(missing_ok=True)
    shutil.rmtree(out / JUDGEMENTS_FOLDER, ignore_errors=True)
    made = out / TEMPORARY / JUDGEMENTS_FOLDER
    if made.is_dir():
        made.replace(out / JUDGEMENTS_FOLDER)
    shutil.rmtree(out / TEMPORARY, ignore_errors=True)
    sync_folder(out)
