"""One asynchronous client for every server that speaks the OpenAI wire format.

Messages of errors name the address, the status and what to do, never a key, a prompt or what the server said: servers
like to echo both.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain
from types import TracebackType
from typing import Any, Final

import httpx
import orjson

from phrasemill.generators.address import checked_url, joined, shown
from phrasemill.generators.bans import Dialect
from phrasemill.generators.pace import Pace
from phrasemill.generators.pools import OneServer, Pool
from phrasemill.generators.replies import Replies
from phrasemill.generators.retry import (
    OVERLOADED,
    REFUSED,
    RETRIED,
    Health,
    RequestFailed,
    RequestRefused,
    RetryPolicy,
    Tries,
    retry_after_seconds,
)
from phrasemill.generators.transport import Received, TooLarge, Transport
from phrasemill.generators.wire import (
    MAX_STOPS,
    MAYBE_REFUSED,
    answer_fields,
    canary,
    error_code,
    merged,
    parse_completion,
    served_models,
    without,
)
from phrasemill.generators.wire import Completion as Completion
from phrasemill.schemas.errors import BackendError, BackendRefused

_HINTS: Final = {
    401: "the key was not accepted: check the variable that backend.api_key_env names",
    403: "the key may not use this model: check the key and backend.model",
}
_ELSEWHERE: Final = "the server sends requests to another address, where no key may follow: set backend.url to it"
_NO_SERVER: Final = "is this an OpenAI-compatible server? Check backend.url"
_PROBE_SECONDS: Final = 5.0
_CANARY_SECONDS: Final = 30.0
"""Within so long, or half the time of a request, a server must answer one token to count as up."""


@dataclass(frozen=True, slots=True)
class _Retry:
    """Why a try is to be repeated, and how long the server wants to be left alone."""

    reason: str
    after: float | None = None


class Client:
    """Requests to one server for one model: keep-alive, at most ``concurrency`` at a time, retried with jitter.

    Fewer are in flight while the server shows that it has too much to do; a request that waits for its next try holds
    no place. A request is given up only when the server was seen to answer another one right before the last try.

    Use as an async context manager, in one event loop.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        key: str | None = None,
        concurrency: int = 8,
        timeout_seconds: float = 120.0,
        retry: RetryPolicy | None = None,
        pool: Pool | None = None,
    ) -> None:
        """Check the address; nothing is sent yet. With a ``pool``, ``url`` is only what messages show.

        Raises:
            ConfigError: the address is not http or https, or is one of a cloud's metadata service.
        """
        self.model = model
        self.url = checked_url(url)
        self.shown_url = shown(self.url)
        self.sent = 0
        """Tries that went out: first ones, those again, and small requests that ask whether the server is up."""
        self._key = key
        self._timeout = timeout_seconds
        self._retry = retry or RetryPolicy()
        self._health = Health(self._retry)
        self._pace = Pace(concurrency, self._retry.share)
        self._replies = Replies()
        self._pool: Pool = pool or OneServer(str(self.url))
        self._dialect: Dialect | None = None
        self._taken: frozenset[str] = frozenset()
        self._refused: frozenset[str] = frozenset()
        self._probing, self._waiting, self._suspects = asyncio.Lock(), asyncio.Lock(), asyncio.Lock()
        self._transport = Transport(self.url.host, key, timeout_seconds, concurrency + 1)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.__aexit__(kind, error, trace)

    async def chat(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        max_tokens: int,
        temperature: float,
        top_p: float,
        seed: int,
        stop: Sequence[str] = (),
        banned: Sequence[str] = (),
        schema: Mapping[str, object] | None = None,
        choices: Sequence[str] = (),
        logprobs: int = 0,
        n: int = 1,
    ) -> Completion:
        """Ask for ``n`` answers to ``messages``; the i-th, from 0, is the one that seed ``seed + i`` gives alone.

        As far as the server can (``wire``): ``banned`` phrases are kept out, the answer obeys the JSON ``schema`` or
        is exactly one of ``choices``, and the ``logprobs`` likeliest first tokens of the first answer are reported.

        Raises:
            ValueError: ``stop`` has more strings than ``wire.MAX_STOPS``.
            RequestRefused: the server will not take this request (400, 413, 422); others may pass.
            RequestFailed: every try failed although the server is up.
            BackendError: the server is down, wrongly addressed, or refuses the key.
        """
        if len(stop) > MAX_STOPS:
            raise ValueError(f"stop: got {len(stop)} strings, the wire format allows {MAX_STOPS}")
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [dict(message) for message in messages],
            "max_tokens": max_tokens,
            "temperature": temperature,
            "top_p": top_p,
            "seed": seed,
        }
        if stop:
            body["stop"] = list(stop)
        is_plain = not (banned or choices or schema is not None or n > 1)
        dialect: Dialect = "other" if is_plain else await self.dialect()
        body |= answer_fields(dialect, schema=schema, choices=choices, logprobs=logprobs, banned=banned)
        began = time.monotonic()
        if n == 1:
            return await self._answer(body, began)
        # llama.cpp refuses more answers than it has slots, and counts the tokens of one of them.
        is_split = dialect == "llama.cpp"
        parts = await self._answers(body, range(n if is_split else 1), 1 if is_split else n, began)
        found = sum(1 + len(part.others) for part in parts)
        return merged([*parts, *await self._answers(body, range(found, n), 1, began)], n, time.monotonic() - began)

    async def _answers(self, body: Mapping[str, Any], offsets: range, n: int, began: float) -> list[Completion]:
        """One request for each offset of the seed; the first failure cancels the others."""
        several = {"n": n} if n > 1 else {}
        requests = ({**body, **several, "seed": body["seed"] + offset} for offset in offsets)
        tasks = [asyncio.ensure_future(self._answer(request, began)) for request in requests]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()

    async def _answer(self, body: Mapping[str, Any], began: float) -> Completion:
        """The answer to one request body; what an unknown server refuses is left out, from then on."""
        asked = without(body, self._refused)
        try:
            completion = await self._completion(orjson.dumps(asked), began)
        except RequestRefused:
            doubtful = [name for name in MAYBE_REFUSED if name in asked and name not in self._taken]
            if not doubtful or await self.dialect() != "other":
                raise
            for refused in _droppable(doubtful):
                try:
                    completion = await self._completion(orjson.dumps(without(asked, refused)), began)
                except RequestRefused:
                    continue
                self._refused |= refused
                return completion
            raise
        self._taken |= asked.keys() & set(MAYBE_REFUSED)
        return completion

    async def dialect(self) -> Dialect:
        """Which extensions the server knows: asked once, from who owns its models; ``other`` where it does not say."""
        async with self._probing:
            if self._dialect is not None:
                return self._dialect
            models = await self._models()
            known: dict[str, Dialect] = {"llamacpp": "llama.cpp", "vllm": "vllm"}
            found = [known[owner] for owner in (models or {}).values() if owner in known]
            dialect: Dialect = found[0] if found else "other"
            if models is not None:
                self._dialect = dialect
            return dialect

    async def _models(self) -> dict[str, str] | None:
        """The served models and who owns each; None where the server cannot be reached."""
        url = await self._pool.take()
        answered = None
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                received = await self._transport.receive("GET", joined(url, "models"))
            return served_models(received.content) if httpx.codes.is_success(received.status) else {}
        except (httpx.TransportError, TimeoutError, TooLarge):
            answered = False
            return None
        finally:
            # A list of models is no proof that the model answers.
            self._pool.give_back(url, answered=answered)

    async def _completion(self, body: bytes, began: float) -> Completion:
        """Send until there is an answer, or until the request fails right after the server answered another one."""
        tries = Tries(self._retry)
        while True:
            await self._until_up()
            is_last = tries.is_last
            outcome = await (self._last_try(body, began, tries) if is_last else self._try(body, began))
            if isinstance(outcome, Completion):
                return outcome
            if not is_last:
                tries.failed(outcome.reason)
            await asyncio.sleep(self._retry.wait(tries.all, outcome.after))
            await self._pace.spend()

    async def _last_try(self, body: bytes, began: float, tries: Tries) -> Completion | _Retry:
        """A try right after the server answered another request; one that did not has its own failures to answer for.

        Raises:
            RequestFailed: the server is up, and this request does not work.
        """
        # One at a time, or all that were in flight would be blamed for the one that kills the server.
        async with self._suspects if tries.is_suspect else nullcontext():
            if not await self._answers_others():
                tries.excuse()
                await self._until_up()
            outcome = await self._try(body, began)
        if isinstance(outcome, _Retry):
            tries.failed(outcome.reason)
            if tries.are_over:
                raise RequestFailed(outcome.reason)
        return outcome

    async def _until_up(self) -> None:
        """Wait while the server answers nobody: one asks it now and then, on behalf of all.

        Raises:
            BackendError: it did not for too long. A pool that is watched gives up by itself.
        """
        if self._health.silent_since is None:
            return
        async with self._waiting:
            asked = 0
            while self._health.silent_since is not None:
                if self._health.is_down and not self._pool.is_watched:
                    raise BackendError(
                        f"{self.shown_url}: no answer to the last {self._health.failures} tries "
                        f"({self._health.reason}): start the server or wait for it, then run the same command again; "
                        "finished requests are kept"
                    )
                asked += 1
                wait = self._retry.wait(asked, self._health.after)
                if self._health.after is None:
                    wait = min(wait, self._retry.probe_cap)
                await asyncio.sleep(wait if self._pool.is_watched else min(wait, self._health.left))
                await self._answers_others()

    async def _answers_others(self) -> bool:
        """Whether the server takes or refuses a small request, which concerns no row."""
        try:
            outcome = await self._try(canary(self.model, self._replies.name()), time.monotonic(), is_canary=True)
        except RequestRefused:
            return True
        if isinstance(outcome, _Retry):
            self._health.is_silent()
            return False
        return True

    async def _try(self, body: bytes, began: float, *, is_canary: bool = False) -> Completion | _Retry:
        """One try, in its place among those in flight; health, pace and budget hear what came of it."""
        async with self._pace.slot() as cuts:
            outcome = await self._sent(body, began, is_canary)
        if isinstance(outcome, Completion):
            self._health.succeeded()
            self._pace.earn()
            self._pace.heard(overloaded=False, cuts=cuts)
        else:
            self._health.failed(outcome.reason, outcome.after)
            self._pace.heard(overloaded=outcome.reason in OVERLOADED, cuts=cuts)
        return outcome

    async def _sent(self, body: bytes, began: float, is_canary: bool) -> Completion | _Retry:
        seconds = min(self._timeout, max(_CANARY_SECONDS, self._timeout / 2)) if is_canary else self._timeout
        url = await self._pool.take()
        answered = None
        self.sent += 1
        name = self._replies.name(body)
        try:
            # httpx counts time between bytes; a server that drips needs a limit on the whole.
            async with asyncio.timeout(seconds):
                received = await self._transport.receive("POST", joined(url, "chat/completions"), body, name)
            answered = received.status < httpx.codes.INTERNAL_SERVER_ERROR
        except (TimeoutError, httpx.TimeoutException):
            answered = False
            return _Retry("timeout")
        except TooLarge:
            return _Retry("too_large")
        except httpx.TransportError as error:
            answered = False
            return _Retry(_snake(type(error).__name__))
        finally:
            self._pool.give_back(url, answered=answered)
        if httpx.codes.is_success(received.status):
            return await self._read(received, name, began, is_canary)
        if received.status in RETRIED or received.status >= httpx.codes.INTERNAL_SERVER_ERROR:
            return _Retry(f"status_{received.status}", retry_after_seconds(received.headers.get("Retry-After")))
        raise await self._rejection(received)

    async def _read(self, received: Received, name: str, began: float, is_canary: bool) -> Completion | _Retry:
        completion = parse_completion(received.content, time.monotonic() - began)
        if completion is None:
            return _Retry("malformed_response")
        echoes = (completion.id, received.headers.get("X-Request-Id", "") if completion.id else "")
        if self._replies.is_anothers(name, echoes=echoes, content=received.content, connection=received.connection):
            # Whatever else stands in the connection is not for us either.
            await received.connection.aclose()
            if not is_canary:  # which asks only whether anything answers
                return _Retry("answer_of_another")
        return completion

    async def _rejection(self, received: Received) -> BackendError | RequestRefused:
        status = received.status
        kind = BackendError if self._health.answered else BackendRefused
        where = f"{self.shown_url}/chat/completions: status {status}"
        if status == httpx.codes.NOT_FOUND:
            return kind(f"{where}: {await self._not_found()}")
        if status not in REFUSED:
            hint = _ELSEWHERE if httpx.codes.is_redirect(status) else _HINTS.get(status, _NO_SERVER)
            return kind(f"{where}: {hint}")
        self._health.refused()
        reason = error_code(received.content)
        if reason is None or (self._key and self._key in reason):
            reason = f"status_{status}"
        if not self._health.answered and self._health.refusals >= self._retry.down_after_failures:
            return kind(
                f"{where} ({reason}) to the first {self._health.refusals} requests: the server takes none of them; "
                "check backend.model, backend.max_tokens and the context window that the server was started with"
            )
        return RequestRefused(reason)

    async def _not_found(self) -> str:
        listed = [name for name in await self._models() or () if not name.startswith("#")]
        names = [name for name in listed if not (self._key and self._key in name)]
        if not names:
            return "no such address: check backend.url (it ends in /v1)"
        if self.model in names:
            return f"it serves {self.model} but not this path: check backend.url (it ends in /v1)"
        return f"no model {self.model!r}; it serves {', '.join(names)}: correct backend.model"


def _droppable(doubtful: Sequence[str]) -> Iterator[frozenset[str]]:
    """Which fields to leave out, try by try: each alone, then all."""
    alone = [frozenset({name}) for name in doubtful]
    return chain(alone, [frozenset(doubtful)] if len(alone) > 1 else [])


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
