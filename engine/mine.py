"""Mining an input: which of its answers are looked at, and what they are compared with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from phrasemill.engine.progress import progress
from phrasemill.engine.read import read_shard
from phrasemill.engine.shards import InputPlan, plan_input
from phrasemill.filters.mining import Phrase, default_min_documents, mine
from phrasemill.filters.mining_corpus import Keys, SideBuilder, matched
from phrasemill.filters.mining_expected import word_frequencies
from phrasemill.filters.mining_tokens import Vocabulary
from phrasemill.filters.turns import TurnTable, turn_table
from phrasemill.schemas.config import InputConfig
from phrasemill.schemas.errors import ConfigError

_SHOWN_VALUES: Final = 20


@dataclass(frozen=True, slots=True)
class Mining:
    """What is mined: rows of the inputs whose column ``by`` is ``model``, or all where these are None.

    They are compared with ``against`` if it is given, else with the other rows, else with word frequencies.
    ``min_documents`` None: 4, or one answer in 2,000.
    """

    inputs: tuple[str, ...]
    by: str | None = None
    model: str | None = None
    against: tuple[str, ...] = ()
    top: int = 50
    min_documents: int | None = None
    show_progress: bool | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Assistant turns with their keys, and whether each is one of those looked at (else it is compared with)."""

    turns: TurnTable
    keys: Keys
    is_here: bool


@dataclass(frozen=True, slots=True)
class Mined:
    """The phrases, best first, and what was compared. ``matched``: on shared prompts only.

    ``against``: ``sources``, ``corpus`` or ``words``. ``here_keys``, ``elsewhere_keys``: of the answers, sorted.
    """

    phrases: list[Phrase]
    against: str
    matched: bool
    here_seen: int
    elsewhere_seen: int
    here_keys: Keys
    elsewhere_keys: Keys


class Source:
    """The answers of a mining, batch by batch, as often as they are asked for."""

    def __init__(self, mining: Mining) -> None:
        self._mining = mining
        if (mining.by is None) != (mining.model is None):
            raise ConfigError(
                "got one of --by and --model, expected both: a column, and the value whose rows are looked at"
            )
        self._plan = plan_input(InputConfig(path=mining.inputs))
        self._column = None if mining.by is None else _column(self._plan, mining.by)
        self._other = plan_input(InputConfig(path=mining.against)) if mining.against else None
        self._values: Counter[str] = Counter()

    @property
    def against(self) -> str:
        """What is compared with: ``sources``, ``corpus`` or ``words``."""
        return "corpus" if self._other is not None else "sources" if self._column is not None else "words"

    def batches(self, label: str) -> Iterator[Batch]:
        """Every answer once. A progress line runs under ``label``."""
        self._values.clear()
        plans = [self._plan] if self._other is None else [self._plan, self._other]
        total = sum(file.size for plan in plans for file in plan.files)
        with progress(label, total, "bytes", enabled=self._mining.show_progress) as advance:
            yield from self._of_input(advance)
            if self._other is not None:
                for _, turns, keys in _answers(self._other, advance, salt=1):
                    yield Batch(turns, keys, False)

    def _of_input(self, advance: Callable[[int], None]) -> Iterator[Batch]:
        for table, turns, keys in _answers(self._plan, advance, salt=0):
            if self._column is None:
                yield Batch(turns, keys, True)
                continue
            values = pc.cast(table.column(self._column).combine_chunks(), pa.large_string())
            for entry in pc.value_counts(values).to_pylist():
                self._values[str(entry["values"])] += entry["counts"]
            chosen = pc.fill_null(pc.equal(values, self._mining.model), False).to_numpy(zero_copy_only=False)
            mine_ = chosen[turns.position]
            yield Batch(only(turns, mine_), keys[mine_], True)
            if self._other is None:
                yield Batch(only(turns, ~mine_), keys[~mine_], False)

    def missing(self) -> ConfigError:
        """The error that no row is of the model: which there are."""
        names = [f"{name} ({count:,})" for name, count in self._values.most_common(_SHOWN_VALUES)]
        more = f" and {len(self._values) - len(names):,} more" if len(self._values) > len(names) else ""
        if self._column is None:
            return ConfigError(f"{', '.join(self._mining.inputs)}: has no answer of an assistant to look at")
        return ConfigError(
            f"--model: no row of column {self._mining.by!r} is {self._mining.model!r}; there are "
            f"{', '.join(names) or 'no rows'}{more}"
        )


def run_mining(mining: Mining, source: Source) -> Mined:
    """Read, count, test and choose.

    Raises:
        ConfigError: a column or model that is not there, nothing to compare with.
        InputError: an input that cannot be read.

    """
    if source.against == "words":
        word_frequencies()  # told before the reading, not after it
    vocabulary = Vocabulary()
    ours, theirs = SideBuilder(vocabulary), SideBuilder(vocabulary)
    for batch in source.batches("reading"):
        (ours if batch.is_here else theirs).add(batch.turns, batch.keys)
    if not ours.seen:
        raise source.missing()
    here, elsewhere, shared = ours.build(), None, False
    if source.against != "words":
        if not theirs.seen:
            raise ConfigError(_nothing_else(mining))
        here, elsewhere, shared = matched(here, theirs.build())
    least = mining.min_documents or default_min_documents(len(here))
    phrases = mine(here, elsewhere, vocabulary, top=mining.top, min_documents=least)
    others = np.zeros(0, np.uint64) if elsewhere is None else elsewhere.keys
    return Mined(phrases, source.against, shared, ours.seen, theirs.seen, np.sort(here.keys), np.sort(others))


def _nothing_else(mining: Mining) -> str:
    if mining.against:
        return f"--against {', '.join(mining.against)}: has no answers to compare with"
    return f"--by {mining.by}: every row is of {mining.model!r}, nothing is left to compare with; give --against"


def _column(plan: InputPlan, name: str) -> str:
    """The name in the rows of a column of the input."""
    if name in plan.columns:
        return str(plan.schema.names[plan.columns.index(name)])
    raise ConfigError(f"--by: the input has no column {name!r} beside its messages; it has: {', '.join(plan.columns)}")


def _answers(
    plan: InputPlan, advance: Callable[[int], None], *, salt: int
) -> Iterator[tuple[pa.Table, TurnTable, Keys]]:
    """The assistant turns of each batch of rows, and a key of each that depends on shard, row and turn alone."""
    answers = plan.shape.fields[-2] if plan.shape.kind == "preference" else "messages"
    sizes = {file.path: file.size for file in plan.files}
    counts = Counter(shard.path for shard in plan.shards)
    for shard in plan.shards:
        for batch in read_shard(shard, plan):
            before = batch.table.column("prompt").combine_chunks() if answers != "messages" else None
            table = turn_table(answers, _one(batch.table.column(answers)), before)
            turns = table.having_role(("assistant",))
            rows = batch.row.to_numpy()[turns.position].astype(np.uint64)
            start = np.uint64(int(shard.key[:16], 16) ^ salt)
            yield batch.table, turns, _mixed(start + (rows << np.uint64(12)) + turns.turn.astype(np.uint64))
        advance(sizes[shard.path] // counts[shard.path])


def _one(column: pa.ChunkedArray) -> pa.LargeListArray:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def only(turns: TurnTable, keep: npt.NDArray[np.bool_]) -> TurnTable:
    """The turns that are marked."""
    mask = pa.array(keep)
    return TurnTable(
        turns.field,
        turns.position[keep],
        turns.turn[keep],
        turns.role.filter(mask),
        turns.text.filter(mask),
        turns.previous[keep],
        turns.prompts,
    )


def _mixed(values: Keys) -> Keys:
    """Numbers whose every bit depends on every bit of the values (the finaliser of SplitMix64)."""
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(values ^ (values >> np.uint64(31)))
