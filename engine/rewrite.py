"""A row that waits for a model: its flagged turns written again, one after the other, each on the mended prefix."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from phrasemill.engine.decide import plan_turn
from phrasemill.engine.fates import refuses
from phrasemill.engine.judge_turns import Judge
from phrasemill.engine.pairs import MendedTurn
from phrasemill.engine.quality import Quality
from phrasemill.engine.sft import WAITING
from phrasemill.filters.hits import Hit as Found
from phrasemill.filters.turns import TurnTable
from phrasemill.generators.attempts import Attempt, AttemptLog
from phrasemill.generators.client import Client
from phrasemill.generators.judging.gate import Gated
from phrasemill.generators.regenerate import regenerate_turn
from phrasemill.generators.tasks import Hit, Message, TurnTask
from phrasemill.schemas.config import RunConfig
from phrasemill.schemas.trait import Trait

LOST_REFERENCE = "lost_reference"
"""Reason of an answer that drops what later turns refer to."""


@dataclass(frozen=True, slots=True)
class Studio:
    """What all rows of a run are written with."""

    client: Client
    trait: Trait
    judge: Judge
    config: RunConfig
    log: AttemptLog
    quality: Quality | None = None


@dataclass(frozen=True, slots=True)
class RewrittenRow:
    """The end of a row: ``messages`` is None where it was given up, for ``reason``. ``row`` is its staged record."""

    row: Mapping[str, Any]
    messages: list[dict[str, str]] | None
    reason: str
    attempts: tuple[Attempt, ...]
    mended: tuple[MendedTurn, ...]


async def rewrite_row(row: Mapping[str, Any], studio: Studio) -> RewrittenRow:
    """Write the flagged turns of one staged row. Everything sent is in the log when this returns or raises."""
    todo = orjson.loads(row[WAITING])
    messages: list[dict[str, str]] = [dict(message) for message in row["messages"]]
    attempts: list[Attempt] = []
    mended: list[MendedTurn] = []
    for turn in sorted(todo["turns"], key=lambda each: int(each["turn"])):
        at = int(turn["turn"])
        if turn["action"] == "strip":
            mended.append(_mended(row, turn, messages, "strip", None, refuses=turn["refuses"]))
            continue
        task, shift = _task(row, todo, turn, messages)
        text, reason, cuts = await _rewrite_turn(task, shift, len(messages), studio, attempts)
        if text is None:
            return RewrittenRow(row, None, reason, tuple(attempts), ())
        gated = await _gated(task, shift, text, studio, attempts)
        if cuts:
            messages = messages[: at + 1]
        messages[at] = {"role": "assistant", "content": text}
        refused = refuses(find_hits(text, _previous_user(messages, at), studio.judge))
        written = _mended(row, turn, messages, "regenerate", studio.trait.id, refuses=refused)
        mended.append(replace(written, judge_label=gated.label, judge_score=gated.score) if gated else written)
        if cuts:
            break
    return RewrittenRow(row, messages, "", tuple(attempts), tuple(mended))


def _task(
    row: Mapping[str, Any], todo: Mapping[str, Any], turn: Mapping[str, Any], messages: list[dict[str, str]]
) -> tuple[TurnTask, int]:
    """The turn to write, and by how much its index in its own field is less than in the conversation."""
    at, shift = int(turn["turn"]), int(todo["shift"])
    in_prompt = at < shift
    task = TurnTask(
        shard=row["pm_shard"],
        row=row["pm_row"],
        row_id=row["id"],
        field="messages" if todo["rejected"] is None else "prompt" if in_prompt else "chosen",
        turn=at,
        messages=_in_view(messages, todo, at),
        original=turn["original"],
        hits=tuple(Hit(*hit) for hit in (*turn["hits"], *turn["refusals"])),
    )
    return task, 0 if in_prompt else shift


async def _rewrite_turn(
    task: TurnTask, shift: int, turns: int, studio: Studio, attempts: list[Attempt]
) -> tuple[str | None, str, bool]:
    """The new text or None, the reason, and whether the conversation must be cut after it. ``turns``: of the row."""
    before = len(attempts)
    result = await _ask(task, studio, shift, 0, attempts)
    has_later_turns = task.turn + 1 < turns
    if result[0] is None and result[1] == LOST_REFERENCE and has_later_turns and studio.config.policy.cut_conversation:
        alone = replace(task, messages=task.messages[: task.turn + 1])
        text, reason = await _ask(alone, studio, shift, len(attempts) - before, attempts)
        return text, reason, True
    return result[0], result[1], False


async def _gated(task: TurnTask, shift: int, text: str, studio: Studio, attempts: list[Attempt]) -> Gated | None:
    """What a judge makes of the new text, None where there is no judge; its requests are kept beside the turn's."""
    if studio.quality is None:
        return None
    found, asked = await studio.quality.judged(task, text)
    attempts.extend(replace(attempt, field=task.field, turn=task.turn - shift) for attempt in asked)
    return found


def _in_view(messages: list[dict[str, str]], todo: Mapping[str, Any], at: int) -> tuple[Message, ...]:
    """The conversation as the turn ``at`` sees it. A later turn that is written again itself leans on nothing."""
    unwritten = {int(turn["turn"]) for turn in todo["turns"] if turn["action"] != "strip" and int(turn["turn"]) > at}
    return tuple(
        Message(message["role"], "" if place in unwritten else message["content"])
        for place, message in enumerate(messages)
    )


async def _ask(
    task: TurnTask, studio: Studio, shift: int, earlier: int, attempts: list[Attempt]
) -> tuple[str | None, str]:
    """The text or None, and the reason. Attempts get the turn's index in its own field: ``shift`` turns less."""
    result = await regenerate_turn(
        task,
        client=studio.client,
        trait=studio.trait,
        scan=scanner(studio.judge),
        settings=studio.config.regenerate,
        backend=studio.config.backend,
        seed=studio.config.seed,
        log=studio.log,
    )
    attempts.extend(
        replace(attempt, turn=attempt.turn - shift, attempt=attempt.attempt + earlier) for attempt in result.attempts
    )
    return result.text, result.reason


def scanner(judge: Judge) -> Callable[[str, str], list[Hit]]:
    """``scan(text, previous_user)``: the hits on which the policy would act."""

    def scan(text: str, previous_user: str) -> list[Hit]:
        return acting(text, find_hits(text, previous_user, judge), judge)

    return scan


def acting(text: str, hits: Sequence[Found], judge: Judge) -> list[Hit]:
    """Those of the hits in an assistant turn on which the policy would act."""
    plan = plan_turn(text, hits, judge.policy, judge.allow)
    return [
        Hit(hit.rule_id, hit.category, text[hit.start : hit.stop])
        for hit, action in zip(hits, plan.actions, strict=True)
        if action is not None and action != "tag"
    ]


def find_hits(text: str, previous_user: str, judge: Judge) -> list[Found]:
    """Every hit in an assistant turn, excused ones too."""
    turns = TurnTable(
        "messages",
        np.zeros(1, dtype=np.int64),
        np.ones(1, dtype=np.int32),
        pa.array(["assistant"], pa.large_string()),
        pa.array([text], pa.large_string()),
        np.zeros(1, dtype=np.int64),
        pa.array([previous_user], pa.large_string()),
    )
    return judge.find(turns).get(0, [])


def _previous_user(messages: list[dict[str, str]], at: int) -> str:
    return next((each["content"] for each in reversed(messages[:at]) if each["role"] == "user"), "")


def _mended(
    row: Mapping[str, Any],
    turn: Mapping[str, Any],
    messages: list[dict[str, str]],
    kind: str,
    trait_id: str | None,
    *,
    refuses: bool,
) -> MendedTurn:
    at = int(turn["turn"])
    return MendedTurn(
        shard=row["pm_shard"],
        row=row["pm_row"],
        row_id=row["id"],
        turn=at,
        prefix=[dict(message) for message in messages[:at]],
        original=turn["original"],
        mended=messages[at]["content"],
        rules=tuple(dict.fromkeys(hit[0] for hit in turn["hits"])),
        kind=kind,
        refused=turn["refused"],
        refuses=refuses,
        trait_id=trait_id,
    )
