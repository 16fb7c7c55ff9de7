"""The items of one trait: many in flight, settled strictly in order, laid out block by block.

What is accepted, when enough is enough and when a monitor stops the run depend only on the order of the items, never
on which answer came first. So a run that was stopped and goes on ends with the same rows.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import polars as pl

from phrasemill.engine.fingerprints import fingerprint
from phrasemill.engine.folder import fresh_work, publish_shard
from phrasemill.engine.generate_lay_out import Block, Ended, write_block
from phrasemill.engine.generate_settle import Settler
from phrasemill.engine.manifest import ShardCommit, part_path
from phrasemill.engine.stopping import Stop
from phrasemill.generators.ask import FAILED, Ask, Desk, Item, NoAnswer
from phrasemill.generators.attempts import Attempt
from phrasemill.generators.recipes.base import Made, Recipe
from phrasemill.generators.recipes.conversation import NotLengthened, lengthen
from phrasemill.schemas.config import OutputConfig
from phrasemill.schemas.trait import Trait

BLOCK_ITEMS: Final = 256
"""Items of a shard: what a kill can cost in laying out; answers are kept in any case."""

_LOOK_AHEAD: Final = 4
"""Items begun beyond those that run, as a multiple: a slow one at the front must not leave the server idle."""
_RUNNING: Final = 2
"""Items that run for each request that may be in flight: some wait for their next try, or are looked at."""
_POLL_SECONDS: Final = 0.2


@dataclass(slots=True)
class StratumReport:
    """What became of a trait. ``wanted`` None: every item once. ``stopped`` is why it ended, in words."""

    trait: str
    wanted: int | None
    items: int = 0
    accepted: int = 0
    pairs: int = 0
    requests: int = 0
    sent: int = 0
    replayed: int = 0
    completion_tokens: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    stopped: str = ""
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Stratum:
    """One trait and everything that its items need."""

    trait: Trait
    recipe: Recipe
    items: Iterator[Item]
    desk: Desk
    settler: Settler
    turns: int
    wanted: int | None
    budget: int | None
    concurrency: int
    out: Path
    output: OutputConfig
    identity: str
    fingerprint: str
    source: str

    def key(self, block: int) -> str:
        """The shard key of a block: of the recipe, the trait's id, what is read, and the block's number."""
        return f"g{fingerprint([self.recipe.name, self.trait.id, self.identity, block])[:23]}"


async def run_stratum(
    stratum: Stratum,
    known: dict[str, ShardCommit],
    stop: Stop,
    *,
    on_rows: Callable[[int], None],
    on_item: Callable[[], None],
    on_shard: Callable[[ShardCommit], None],
) -> StratumReport:
    """Do the trait's items until enough are accepted, none is left, the budget is used up or a monitor stops it.

    ``known``: shards that are published already. Finished blocks are published as they come.

    Raises:
        BackendError: a server is down; blocks that were finished are published, answers are kept.
    """
    report = StratumReport(stratum.trait.id, stratum.wanted)
    work = _Work(stratum, report, on_rows, on_item, on_shard)
    work.take_over(known)
    on_rows(report.accepted)
    if work.is_over():
        return report
    pending: deque[asyncio.Task[_Rolled]] = deque()
    running = asyncio.Semaphore(stratum.concurrency * _RUNNING)
    try:
        while not stop:
            while not work.used_up and len(pending) < work.window() and (item := work.next_item()) is not None:
                pending.append(asyncio.create_task(_roll(stratum, item, running)))
            if not pending:
                if work.take_over_next():
                    continue
                break
            rolled = await _first(pending, stop)
            if rolled is None:
                break
            if await work.settle(rolled):
                break
        if not stop:
            await work.close()
    finally:
        for task in pending:
            task.cancel()
        # None may outlive this: the log closes next. What else went wrong in them is told by the error that is raised.
        await asyncio.gather(*pending, return_exceptions=True)
    return report


@dataclass(frozen=True, slots=True)
class _Rolled:
    item: Item
    made: Made
    attempts: tuple[Attempt, ...]


async def _first(pending: deque[asyncio.Task[_Rolled]], stop: Stop) -> _Rolled | None:
    """What the oldest item came to; None where a signal came first. An error of any item is raised at once."""
    while not pending[0].done():
        running = [task for task in pending if not task.done()]
        await asyncio.wait(running, timeout=_POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error
        if stop:
            return None
    return pending.popleft().result()


async def _roll(stratum: Stratum, item: Item, running: asyncio.Semaphore) -> _Rolled:
    async with running:
        ask = Ask(stratum.desk, item)
        if stratum.recipe.works_on == "prompts" and (reason := _dirty(stratum.desk, item)):
            return _Rolled(item, Made(None, reason=reason), ())
        try:
            if stratum.turns > 1 and stratum.recipe.works_on == "prompts":
                longer = await lengthen(ask, stratum.turns)
                ask.item = replace(item, messages=longer)
            made = await stratum.recipe.rollout(ask)
        except NotLengthened as error:
            made = Made(None, reason=error.reason)
        except NoAnswer as error:
            made = Made(None, reason=f"{FAILED}:{error.reason}")
        return _Rolled(item, made, _in_order(ask.attempts))


def _dirty(desk: Desk, item: Item) -> str:
    """Why a prompt cannot be used: an earlier answer in it, which is published too, has what none may have."""
    asked = ""
    for message in item.messages:
        if message.role == "assistant" and (hits := desk.scan(item.trait, message.content, asked)):
            return f"dirty_prompt:{hits[0].rule_id}"
        asked = message.content if message.role == "user" else asked
    return ""


def _in_order(attempts: Sequence[Attempt]) -> tuple[Attempt, ...]:
    """Evidence in an order that does not depend on which answer came first."""
    return tuple(sorted(attempts, key=lambda each: (each.turn, each.recipe, each.attempt, each.request_hash)))


class _Work:
    """The state of a stratum: what was settled, what is in the open block."""

    def __init__(
        self,
        stratum: Stratum,
        report: StratumReport,
        on_rows: Callable[[int], None],
        on_item: Callable[[], None],
        on_shard: Callable[[ShardCommit], None],
    ) -> None:
        self.stratum = stratum
        self.report = report
        self.on_rows = on_rows
        self.on_item = on_item
        self.on_shard = on_shard
        self.used_up = False
        self._known: dict[str, ShardCommit] = {}
        self._begun = 0
        self._block: list[Ended] = []

    def take_over(self, known: dict[str, ShardCommit]) -> None:
        """Count the blocks that are published, and pass over their items.

        Blocks behind one that is missing wait for their turn: what the settler has seen must not depend on it.
        """
        self._known = known
        while (commit := known.get(self.stratum.key(self._begun // BLOCK_ITEMS))) is not None:
            self._count(commit)
            for _ in range(commit.rows_in):
                next(self.stratum.items, None)
            self._begun += commit.rows_in
            if commit.rows_in < BLOCK_ITEMS:
                break
        self.report.items = self._begun
        if self._begun % BLOCK_ITEMS:
            # A short block is a trait's last one.
            self._decide()
            self.used_up = True
            self.report.stopped = self.report.stopped or self._why_used_up()

    def take_over_next(self) -> bool:
        """Whether the next block is published already, and there is still something to do behind it."""
        if not self._next_is_known():
            return False
        before = self.report.accepted
        self.take_over(self._known)
        self.on_rows(self.report.accepted - before)
        return not self.is_over()

    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        return self.used_up or self._decide()

    def window(self) -> int:
        """How many items may be begun and not yet settled: what the share accepted so far lets expect to need."""
        most = self.stratum.concurrency * _LOOK_AHEAD
        if self.report.wanted is None:
            return most
        lacking = self.report.wanted - self.report.accepted
        needed = lacking * (self.report.items + 1) // (self.report.accepted + 1)
        return min(most, max(self.stratum.concurrency, needed))

    def next_item(self) -> Item | None:
        """The next item with its place in the output.

        None, from then on, where there is no other; None for now where the next block is published already.
        """
        if self._next_is_known():
            return None
        item = next(self.stratum.items, None)
        if item is None:
            self.used_up = True
            return None
        number, row = divmod(self._begun, BLOCK_ITEMS)
        self._begun += 1
        return replace(item, shard=self.stratum.key(number), row=row)

    async def settle(self, rolled: _Rolled) -> bool:
        """Decide on the next item in order. Returns whether it was the last one."""
        lacking = None if self.report.wanted is None else self.report.wanted - self.report.accepted
        ended = self.stratum.settler.settle(rolled.item, rolled.made, rolled.attempts, lacking)
        self._block.append(ended)
        report = self.report
        report.items += 1
        rows = len(ended.queries) or int(ended.accepted)
        report.accepted += rows
        report.requests += len(ended.attempts)
        report.reasons.update([ended.reason] if ended.reason else [])
        for attempt in ended.attempts:
            report.replayed += attempt.replayed
            report.sent += not attempt.replayed
            report.completion_tokens += 0 if attempt.replayed else attempt.completion_tokens or 0
        self.on_rows(rows)
        self.on_item()
        over = self._decide()
        if len(self._block) == BLOCK_ITEMS:
            await self._publish()
        return over

    async def close(self) -> None:
        """Publish the open block, and say why it ended."""
        self.report.stopped = self.report.stopped or self._why_used_up()
        if self._block:
            await self._publish()

    def _next_is_known(self) -> bool:
        number, row = divmod(self._begun, BLOCK_ITEMS)
        return row == 0 and self.stratum.key(number) in self._known

    def _decide(self) -> bool:
        """Whether the trait is done, and why. Only what was settled counts."""
        report, stratum = self.report, self.stratum
        if report.wanted is not None and report.accepted >= report.wanted:
            report.stopped, report.complete = f"{report.wanted} accepted", True
        elif (reason := stratum.settler.monitor.stop_reason()) is not None:
            report.stopped = reason
        # An item that needs no request counts as one, or a recipe that asks nobody would go round for ever.
        elif stratum.budget is not None and max(report.requests, report.items) >= stratum.budget:
            report.stopped = f"the budget of {stratum.budget} requests is used up"
        return bool(report.stopped)

    def _why_used_up(self) -> str:
        self.report.complete = self.report.wanted is None
        return "every item is done" if self.report.complete else "there are no more items"

    def _count(self, commit: ShardCommit) -> None:
        """Add a published block to the counts; monitors and near-duplicates see it again, in order."""
        report, out = self.report, self.stratum.out
        report.requests += sum(commit.requests.values())
        report.pairs += sum(commit.pairs.values())
        report.reasons.update(commit.reasons)
        verdicts = pl.read_parquet(out / part_path("verdicts", commit.key), glob=False).sort("row")
        for row_id, outcome, reasons in verdicts.select("row_id", "outcome", "reasons").iter_rows():
            reason = "" if outcome != "dropped" else next(iter(reasons), "")
            self.stratum.settler.remember(row_id, reason, reasons)
        queries = [out / file.path for file in commit.files if file.table == "queries"]
        for path in queries:
            for messages in pl.read_parquet(path, glob=False)["messages"]:
                self.stratum.settler.known.add(messages[0]["content"])
        report.accepted += commit.rows_of("queries") or commit.published

    async def _publish(self) -> None:
        stratum, ended = self.stratum, self._block
        number = (self.report.items - 1) // BLOCK_ITEMS
        block = Block(
            key=stratum.key(number),
            recipe=stratum.recipe.name,
            source=f"{stratum.source} ({stratum.trait.id})",
            source_hash=stratum.identity,
            start=number * BLOCK_ITEMS,
            fingerprint=stratum.fingerprint,
            seed=stratum.desk.seed,
        )
        work = fresh_work(stratum.out, block.key)
        ended = stratum.settler.paired(ended)
        commit = await asyncio.to_thread(write_block, work, block, ended, stratum.output)
        await asyncio.to_thread(publish_shard, stratum.out, work, commit)
        self.report.pairs += sum(commit.pairs.values())
        self._block = []
        self.on_shard(commit)
