"""The recipe ``regenerate``: one assistant turn answered afresh under a trait until it is clean, or given up."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson
from blake3 import blake3

from phrasemill.generators.attempts import Attempt, AttemptLog, request_hash
from phrasemill.generators.client import Client, Completion
from phrasemill.generators.guards import TRUNCATED, Candidate, Rejection, check
from phrasemill.generators.prompts import TEMPLATE_VERSION, Request, build_request
from phrasemill.generators.references import references
from phrasemill.generators.retry import RequestFailed, RequestRefused
from phrasemill.generators.tasks import Hit, Message, TurnTask
from phrasemill.generators.traits import trait_hash
from phrasemill.schemas.backend import BackendConfig
from phrasemill.schemas.config import RegenerateConfig
from phrasemill.schemas.errors import BackendError
from phrasemill.schemas.trait import Trait

__all__ = ["Hit", "Message", "Scan", "TurnResult", "TurnTask", "regenerate_all", "regenerate_turn", "turn_seed"]

Scan = Callable[[str, str], list[Hit]]
"""``scan(text, previous_user)``: the hits on which the policy would act."""

_REASONING: Final = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>\s*", re.DOTALL | re.IGNORECASE)
_WORDS_PER_TOKEN: Final = 0.6
_MORE_TOKENS: Final = 2
"""An answer that ran into the limit of tokens is asked for once more with so many times as many."""


@dataclass(frozen=True, slots=True)
class TurnResult:
    """``text`` is clean and verified, or None. ``reason`` is ``accepted`` or why the last attempt was not.

    ``attempts`` are in order; those marked ``replayed`` were answered from a log.
    """

    text: str | None
    attempts: tuple[Attempt, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class _Recipe:
    """What stays the same over all turns of a run."""

    client: Client
    trait: Trait
    scan: Scan
    settings: RegenerateConfig
    backend: BackendConfig
    seed: int
    log: AttemptLog


def turn_seed(seed: int, task: TurnTask, attempt: int) -> int:
    """The seed of an attempt, 0 to 2**31 - 1: the same for the same run seed, row, turn and attempt number."""
    key = orjson.dumps([seed, task.shard, task.row, task.field, task.turn, attempt])
    return int.from_bytes(blake3(key).digest(length=4), "big") >> 1


async def regenerate_turn(
    task: TurnTask,
    *,
    client: Client,
    trait: Trait,
    scan: Scan,
    settings: RegenerateConfig,
    backend: BackendConfig,
    seed: int,
    log: AttemptLog,
) -> TurnResult:
    """Ask for the turn up to ``settings.attempts`` times; every attempt is in ``log`` when this returns or raises.

    An attempt that follows another names what was wrong with it and bans its phrases at decoding where the server can.
    A request that the log knows is not sent. One that the server refuses or keeps failing ends the turn. An answer that
    runs into ``backend.max_tokens`` is one attempt more, with twice the tokens; a second one ends the turn.

    Raises:
        BackendError: the server is down; the attempt is recorded as failed.
        asyncio.CancelledError: the attempt is recorded as cancelled.
    """
    return await _regenerate(task, _Recipe(client, trait, scan, settings, backend, seed, log))


async def regenerate_all(
    tasks: AsyncIterator[TurnTask] | Iterable[TurnTask],
    *,
    client: Client,
    trait: Trait,
    scan: Scan,
    settings: RegenerateConfig,
    backend: BackendConfig,
    seed: int,
    log: AttemptLog,
    on_done: Callable[[TurnTask, TurnResult], None],
) -> None:
    """Regenerate all ``tasks``, ``backend.concurrency`` at a time; ``on_done`` is called as each ends, in any order.

    A task is taken from ``tasks`` only when it can begin. Cancelling this cancels what is in flight, recorded as such.

    Raises:
        BackendError: the server is down; what ended before was handed to ``on_done``.
    """
    recipe = _Recipe(client, trait, scan, settings, backend, seed, log)
    source = tasks if isinstance(tasks, AsyncIterator) else _each(tasks)
    taking = asyncio.Lock()

    async def work() -> None:
        while True:
            async with taking:
                task = await anext(source, None)
            if task is None:
                return
            on_done(task, await _regenerate(task, recipe))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(backend.concurrency):
                group.create_task(work())
    except BaseExceptionGroup as errors:
        raise _first(errors) from errors


async def _each(tasks: Iterable[TurnTask]) -> AsyncIterator[TurnTask]:
    for task in tasks:
        yield task


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error to report of several workers: a server that is down, else the first."""
    down = errors.subgroup(BackendError)
    error: BaseException = down or errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _regenerate(task: TurnTask, recipe: _Recipe) -> TurnResult:
    wanted = references(task.original, [message.content for message in task.before], task.later)
    attempts: list[Attempt] = []
    hits: list[Hit] = []
    banned: list[str] = []
    rejection: Rejection | None = None
    number, last, tokens = 0, recipe.settings.attempts, recipe.backend.max_tokens
    had_more = False
    while number < last:
        number += 1
        request = build_request(
            task.before,
            recipe.trait,
            declines=task.declines,
            references=wanted,
            hits=hits,
            rejection=rejection,
            max_words=int(recipe.backend.max_tokens * _WORDS_PER_TOKEN),
        )
        if request.messages[-1]["role"] != "user":
            return TurnResult(None, (), "no_prompt")
        attempt = _new_attempt(task, recipe, number, request, banned, tokens)
        try:
            completion, replayed = await _complete(attempt, recipe, request, banned, tokens)
        except (RequestRefused, RequestFailed) as error:
            attempts.append(_failed(recipe.log, attempt, error.reason))
            if tokens > recipe.backend.max_tokens:
                # More than the server can give; with fewer there was an answer, and another may be shorter.
                tokens = recipe.backend.max_tokens
                continue
            return TurnResult(None, tuple(attempts), error.reason)
        attempt = replace(attempt, replayed=replayed, **_answered(completion))
        text = _REASONING.sub("", completion.text).strip()
        rejection = check(_candidate(task, recipe.trait, text, completion, request, wanted))
        found = recipe.scan(text, task.previous_user)
        attempt = _judged(attempt, rejection, found)
        recipe.log.record(attempt)
        attempts.append(attempt)
        if attempt.outcome == "accepted":
            return TurnResult(text, tuple(attempts), "accepted")
        if rejection is not None and rejection.reason == TRUNCATED:
            if tokens > recipe.backend.max_tokens:
                break
            # Once: after a refusal of more, the remaining attempts are as long as any.
            if not had_more:
                last, tokens, had_more = last + 1, tokens * _MORE_TOKENS, True
        hits += [hit for hit in found if hit not in hits]
        banned += [phrase for phrase in _phrases(found, rejection) if phrase not in banned]
    return TurnResult(None, tuple(attempts), _rejected_for(attempts))


async def _complete(
    attempt: Attempt, recipe: _Recipe, request: Request, banned: Sequence[str], tokens: int
) -> tuple[Completion, bool]:
    """The answer, and whether a log had it. An attempt that does not come back is recorded before the error goes on."""
    known = recipe.log.get(attempt.request_hash)
    if known is not None:
        return known, True
    settings = recipe.backend
    try:
        completion = await recipe.client.chat(
            request.messages,
            max_tokens=tokens,
            temperature=settings.temperature,
            top_p=settings.top_p,
            seed=attempt.seed,
            banned=banned,
        )
    except asyncio.CancelledError:
        recipe.log.record(replace(attempt, outcome="cancelled", reason="cancelled"))
        raise
    except BackendError:
        _failed(recipe.log, attempt, "backend_down")
        raise
    return completion, False


def _new_attempt(
    task: TurnTask, recipe: _Recipe, number: int, request: Request, banned: Sequence[str], tokens: int
) -> Attempt:
    settings = recipe.backend
    params: dict[str, Any] = {
        "max_tokens": tokens,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "banned": list(banned),
    }
    seed = turn_seed(recipe.seed, task, number)
    return Attempt(
        shard=task.shard,
        row=task.row,
        row_id=task.row_id,
        field=task.field,
        turn=task.turn,
        attempt=number,
        recipe=recipe.settings.recipe,
        trait_id=recipe.trait.id,
        trait_hash=trait_hash(recipe.trait),
        backend=settings.use,
        model=recipe.client.model,
        seed=seed,
        params=orjson.dumps(params, option=orjson.OPT_SORT_KEYS).decode(),
        request_hash=request_hash(recipe.client.model, params, request.messages, seed, TEMPLATE_VERSION),
        outcome="cancelled",
    )


def _rejected_for(attempts: Sequence[Attempt]) -> str:
    """Why the last answer that came was not taken, or an empty text."""
    return next((attempt.reason or "" for attempt in reversed(attempts) if attempt.outcome == "rejected"), "")


def _answered(completion: Completion) -> dict[str, Any]:
    return {
        "text": completion.text,
        "finish_reason": completion.finish_reason,
        "prompt_tokens": completion.prompt_tokens,
        "completion_tokens": completion.completion_tokens,
        "seconds": completion.seconds,
    }


def _failed(log: AttemptLog, attempt: Attempt, reason: str) -> Attempt:
    failed = replace(attempt, outcome="failed", reason=reason)
    log.record(failed)
    return failed


def _judged(attempt: Attempt, rejection: Rejection | None, found: Sequence[Hit]) -> Attempt:
    """The attempt with its outcome. A guard's reason goes before a rule's."""
    hits_left = tuple(dict.fromkeys(hit.rule_id for hit in found))
    if rejection is None and not found:
        return replace(attempt, outcome="accepted", reason=None)
    reason = rejection.reason if rejection else f"dirty:{hits_left[0]}"
    return replace(attempt, outcome="rejected", reason=reason, hits_left=hits_left)


def _candidate(
    task: TurnTask, trait: Trait, text: str, completion: Completion, request: Request, wanted: tuple[str, ...]
) -> Candidate:
    return Candidate(
        text=text,
        finish_reason=completion.finish_reason,
        prompt=task.previous_user,
        original=task.original,
        instruction=request.instruction,
        trait=trait,
        references=wanted,
        declines=task.declines,
    )


def _phrases(found: Sequence[Hit], rejection: Rejection | None) -> list[str]:
    """The phrases to ban at the next attempt: as they stood in the text."""
    phrases = [hit.text for hit in found]
    return [*phrases, rejection.detail] if rejection and rejection.reason == "banned_phrase" else phrases
