"""The texts of the turns that a sample drew: what stood there, what stands there now, and what was found in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import duckdb
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from phrasemill.engine.decide import SEVERITY
from phrasemill.engine.manifest import Manifest

BeforeIs = Literal["original", "rejected", "prompt", "other"]
"""What stands before: the turn as it was read; the rejected side of the row's pair; the question, where there is
nothing to compare an answer with; what the other build published."""


class Place(NamedTuple):
    """Where a turn stands. ``turn`` is -1 where only the texts tell."""

    shard: str
    row: int
    field: str
    turn: int


class Part(BaseModel):
    """A part of a sample."""

    model_config = ConfigDict(frozen=True)


class SampledHit(Part):
    """A hit that counts. ``start`` and ``stop`` count code points of the text that it was found in."""

    start: int
    stop: int
    rule_id: str
    category: str


class SampledRow(Part):
    """A turn to read. ``rule_ids``: rules that were acted on, or all that hit where none was.

    ``hits`` stand in ``before`` where that is the original, ``hits_after`` in ``after`` where a model wrote it.
    ``changes``: hits in which another build differs, as ``gained rule: text``, ``lost`` or ``otherwise decided``.
    ``earlier``: role and text of the turns before ``user``. ``answer_hash``: of the answer as a model gave it.
    ``user``, ``before`` and ``after`` are None where the folder does not hold them, as of a row that was dropped.
    """

    stratum: tuple[str, ...]
    shard: str
    row: int
    field: str
    turn: int
    row_id: str
    kind: str
    outcome: str
    reasons: tuple[str, ...] = ()
    trait_id: str | None = None
    answer_hash: str | None = None
    rule_ids: tuple[str, ...] = ()
    hits: tuple[SampledHit, ...] = ()
    hits_after: tuple[SampledHit, ...] = ()
    changes: tuple[str, ...] = ()
    earlier: tuple[tuple[str, str], ...] = ()
    user: str | None = None
    before: str | None = None
    before_is: BeforeIs = "original"
    after: str | None = None


_MADE = ", pm_recipe, pm_answer_hash"
"""Columns that only generated rows have."""

Messages = list[dict[str, str]]
Rows = dict[int, list[dict[str, Any]]]


class _Found(NamedTuple):
    """What the folder holds of one drawn turn: rows of its tables."""

    place: Place
    verdicts: list[dict[str, Any]]
    sft: list[dict[str, Any]]
    pairs: list[dict[str, Any]]
    spans: list[dict[str, Any]]
    originals: list[dict[str, Any]]
    attempts: list[dict[str, Any]]
    other: list[dict[str, Any]]
    other_verdicts: list[dict[str, Any]]
    changes: list[dict[str, Any]]

    @property
    def messages(self) -> Messages:
        """The published conversation, empty where there is none."""
        return self.sft[0]["messages"] if self.sft else []

    @property
    def shift(self) -> int | None:
        """How many turns of the conversation are the prompt of a pair that came in as one."""
        return next((pair["pm_turn"] for pair in self.pairs if pair["pm_kind"] == "input"), None)

    @property
    def facts(self) -> dict[str, Any]:
        """What every row says of itself."""
        verdict = self.verdicts[0]
        named = verdict["reasons"] or ()
        return {"row_id": verdict["row_id"], "outcome": verdict["outcome"], "reasons": tuple(named)}


def read_texts(
    connection: duckdb.DuckDBPyConnection,
    picked: Sequence[tuple[Place, tuple[str, ...]]],
    manifest: Manifest,
    *,
    compares: bool,
) -> list[SampledRow]:
    """The drawn turns with their texts, in order. ``compares``: the views of another build end in ``_a``."""
    places = [place for place, _ in picked]
    keys = pa.table(
        {
            "n": pa.array(range(len(places)), pa.int64()),
            "shard": pa.array([place.shard for place in places], pa.large_string()),
            "row": pa.array([place.row for place in places], pa.int64()),
        }
    )
    connection.register("keys", keys)
    generated = manifest.command in ("generate", "probe")
    if generated and not manifest.files("sft") and not compares:
        return [_query(connection, place, name) for place, name in picked]
    tables = {
        "verdicts": _select(connection, "verdicts_b", "row_id, action, outcome, reasons"),
        "sft": _select(connection, "sft_b", "messages, pm_trait_id" + (_MADE if generated else ""), "pm_"),
        "pairs": _select(connection, "preference_b", "chosen, rejected, pm_kind, pm_reason, pm_turn", "pm_"),
        "spans": _select(connection, "spans_b", "field, turn, start, stop, rule_id, category, exempt, action"),
        "originals": _select(connection, "originals_b", "field, turn, text"),
        "attempts": _select(connection, "generations_b", "field, turn, attempt, recipe, trait_id"),
        "other": _select(connection, "sft_a", "messages, pm_trait_id", "pm_") if compares else {},
        "other_verdicts": _select(connection, "verdicts_a", "outcome") if compares else {},
        "changes": _select(connection, "changes_b", "lost, gained, redecided") if compares else {},
    }
    read = _compared if compares else _written if generated else _mended
    rows: list[SampledRow] = []
    for number, (place, name) in enumerate(picked):
        found = _Found(place, *(tables[table].get(number, []) for table in _Found._fields[1:]))
        rows.append(read(found, name))
    return rows


def _select(connection: duckdb.DuckDBPyConnection, view: str, columns: str, prefix: str = "") -> Rows:
    """Rows of a view that belong to the drawn turns, by the number of the turn."""
    asked = connection.execute(
        f"SELECT k.n, {columns} FROM keys k JOIN {view} t ON t.{prefix}shard = k.shard AND t.{prefix}row = k.row"
    )
    names = [column[0] for column in asked.description or ()]
    found: Rows = {}
    for values in asked.fetchall():
        row = dict(zip(names, values, strict=True))
        found.setdefault(row.pop("n"), []).append(row)
    return found


def _mended(found: _Found, name: tuple[str, ...]) -> SampledRow:
    """A turn that was cleaned, dropped or only looked at."""
    place, shift = found.place, found.shift
    at = place.turn if place.field != "chosen" else None if shift is None else shift + place.turn
    spans = _at(found.spans, place)
    attempts = sorted(_at(found.attempts, place), key=lambda attempt: attempt["attempt"])
    before = next((original["text"] for original in _at(found.originals, place)), None)
    hardest = max((span["action"] or "tag" for span in spans), key=SEVERITY.__getitem__, default="tag")
    return SampledRow(
        stratum=name,
        **place._asdict(),
        **found.facts,
        kind=attempts[-1]["recipe"] if attempts else hardest,
        trait_id=attempts[-1]["trait_id"] if attempts else None,
        rule_ids=_rules(spans),
        hits=_hits(spans),
        earlier=_earlier(found.messages, at),
        user=_user(found.messages, at),
        before=before,
        after=_content(found.messages, at),
    )


def _written(found: _Found, name: tuple[str, ...]) -> SampledRow:
    """A row that a model wrote: its last answer, beside the rejected side of its pair."""
    messages = found.messages
    at = _last_answer(messages)
    after, user = _content(messages, at), _user(messages, at)
    pairs = sorted(found.pairs, key=lambda pair: pair["chosen"][-1]["content"] != after)
    place = found.place._replace(turn=at or 0)
    spans = _at(found.spans, place)
    return SampledRow(
        stratum=name,
        **place._asdict(),
        **{**found.facts, "reasons": (*found.facts["reasons"], *(pair["pm_reason"] for pair in pairs[:1]))},
        kind=found.sft[0]["pm_recipe"],
        trait_id=found.sft[0]["pm_trait_id"],
        answer_hash=found.sft[0]["pm_answer_hash"],
        rule_ids=_rules(spans),
        hits_after=_hits(spans),
        earlier=_earlier(messages, at),
        user=user,
        before=pairs[0]["rejected"][-1]["content"] if pairs else user,
        before_is="rejected" if pairs else "prompt",
        after=after,
    )


def _compared(found: _Found, name: tuple[str, ...]) -> SampledRow:
    """A row that differs between two builds: the first turn that does, or one in which other things were found."""
    ours, theirs = found.messages, found.other[0]["messages"] if found.other else []
    at = _differing(theirs, ours)
    shift = found.shift
    if at is None:
        span = next((span for span in _ordered(found.spans) if span["exempt"] is None), None)
        lead = (shift or 0) if span is not None and span["field"] == "chosen" else 0
        at = span["turn"] + lead if span is not None else _last_answer(ours or theirs) or 0
    field, turn = "messages", at
    if shift is not None:
        field, turn = ("prompt", at) if at < shift else ("chosen", at - shift)
    place = found.place._replace(field=field, turn=turn)
    spans = _at(found.spans, place)
    outcome = found.facts["outcome"]
    was = found.other_verdicts[0]["outcome"]
    lost = not ours and not theirs
    written = next((each["pm_recipe"] for each in found.sft if "pm_recipe" in each), None)
    original = next((each["text"] for each in _at(found.originals, place)), None)
    return SampledRow(
        stratum=name,
        **place._asdict(),
        **{**found.facts, "outcome": outcome if was == outcome else f"{was} to {outcome}"},
        kind=written or found.verdicts[0]["action"],
        trait_id=next((each["pm_trait_id"] for each in (*found.sft, *found.other)), None),
        answer_hash=next((each.get("pm_answer_hash") for each in found.sft), None),
        rule_ids=_rules(spans),
        hits=_hits(spans) if lost else (),
        hits_after=_hits(spans) if written else (),
        changes=_changes(found.changes),
        earlier=_earlier(ours, at) or _earlier(theirs, at),
        user=_user(ours, at) or _user(theirs, at),
        before=original if lost else _content(theirs, at),
        before_is="original" if lost else "other",
        after=_content(ours, at),
    )


def _query(connection: duckdb.DuckDBPyConnection, place: Place, name: tuple[str, ...]) -> SampledRow:
    """A query that a model wrote."""
    asked = connection.execute(
        "SELECT id, messages, pm_trait_id, pm_aim FROM queries_b WHERE pm_shard = ? AND pm_row = ? "
        "ORDER BY id LIMIT 1 OFFSET ?",
        (place.shard, place.row, place.turn),
    )
    ((row_id, messages, trait, aim),) = asked.fetchall()
    return SampledRow(
        stratum=name,
        **place._asdict(),
        row_id=row_id,
        kind="queries",
        outcome=aim or "",
        trait_id=trait,
        before_is="prompt",
        after=messages[-1]["content"],
    )


def _changes(changes: Sequence[Mapping[str, Sequence[str]]]) -> tuple[str, ...]:
    kinds = {"lost": "lost", "gained": "gained", "redecided": "otherwise decided"}
    return tuple(f"{word} {said}" for row in changes for kind, word in kinds.items() for said in row[kind])


def _at(rows: Iterable[dict[str, Any]], place: Place) -> list[dict[str, Any]]:
    return [row for row in rows if (row["field"], row["turn"]) == (place.field, place.turn)]


def _ordered(spans: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(spans, key=lambda span: (span["field"], span["turn"], span["start"], span["stop"], span["rule_id"]))


def _hits(spans: Iterable[dict[str, Any]]) -> tuple[SampledHit, ...]:
    names = SampledHit.model_fields
    counting = (span for span in _ordered(spans) if span["exempt"] is None)
    return tuple(SampledHit(**{key: span[key] for key in names}) for span in counting)


def _rules(spans: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    counting = [span for span in _ordered(spans) if span["exempt"] is None]
    acted = [span for span in counting if span["action"] not in (None, "tag")]
    return tuple(dict.fromkeys(span["rule_id"] for span in acted or counting))


def _differing(first: Sequence[Mapping[str, str]], second: Sequence[Mapping[str, str]]) -> int | None:
    """The first turn in which two conversations differ; None where they do not, or where one is not there."""
    if not first or not second:
        return None
    longest = max(len(first), len(second))
    return next((at for at in range(longest) if first[at : at + 1] != second[at : at + 1]), None)


def _last_answer(messages: Sequence[Mapping[str, str]]) -> int | None:
    return next((at for at in range(len(messages) - 1, -1, -1) if messages[at]["role"] == "assistant"), None)


def _content(messages: Sequence[Mapping[str, str]], at: int | None) -> str | None:
    return messages[at]["content"] if at is not None and 0 <= at < len(messages) else None


def _user(messages: Sequence[Mapping[str, str]], at: int | None) -> str | None:
    """The nearest user turn before turn ``at``."""
    asked = _asked(messages, at)
    return None if asked is None else messages[asked]["content"]


def _earlier(messages: Sequence[Mapping[str, str]], at: int | None) -> tuple[tuple[str, str], ...]:
    """Role and text of every turn before that user turn, or before turn ``at`` where there is none."""
    asked = _asked(messages, at)
    before = messages[: at if asked is None else asked] if at is not None else []
    return tuple((message["role"], message["content"]) for message in before)


def _asked(messages: Sequence[Mapping[str, str]], at: int | None) -> int | None:
    """Where the nearest user turn before turn ``at`` stands."""
    return next(
        (place for place in range(min(at or 0, len(messages)) - 1, -1, -1) if messages[place]["role"] == "user"), None
    )
