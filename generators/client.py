"""One asynchronous client for every server that speaks the OpenAI wire format.

Messages of errors name the address, the status and what to do, never a key, a prompt or what the server said: servers
like to echo both.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from types import TracebackType
from typing import Any, Final, Protocol

import httpx
import orjson

from phrasemill.generators.bans import Dialect
from phrasemill.generators.retry import (
    REFUSED,
    RETRIED,
    Health,
    RequestFailed,
    RequestRefused,
    RetryPolicy,
    retry_after_seconds,
)
from phrasemill.generators.wire import MAYBE_REFUSED, answer_fields, error_code, parse_completion, without
from phrasemill.generators.wire import Choice as Choice
from phrasemill.generators.wire import Completion as Completion
from phrasemill.schemas.errors import BackendError, ConfigError

_HINTS: Final = {
    401: "the key was not accepted: check the variable that backend.api_key_env names",
    403: "the key may not use this model: check the key and backend.model",
    404: "no such address or model: check backend.url (it ends in /v1) and backend.model",
}
_PROBE_SECONDS: Final = 5.0
_FORBIDDEN_HOSTS: Final = frozenset({"169.254.169.254", "metadata.google.internal"})


class Pool(Protocol):
    """Servers that answer for one model, and who watches over them."""

    @property
    def is_watched(self) -> bool:
        """Whether dead servers are started again and given up here; else the client gives up by itself."""

    async def take(self) -> str:
        """The address (with ``/v1``) for one request; waits while no server is ready.

        Raises:
            BackendError: the servers are given up.
        """

    def give_back(self, url: str, *, answered: bool | None) -> None:
        """The request to ``url`` is over; None: it was cancelled, which says nothing about the server."""


@dataclass(frozen=True, slots=True)
class _OneServer:
    url: str
    is_watched: bool = False

    async def take(self) -> str:
        return self.url

    def give_back(self, url: str, *, answered: bool | None) -> None:
        pass


@dataclass(frozen=True, slots=True)
class _Retry:
    """Why a try is to be repeated, and how long the server wants to be left alone."""

    reason: str
    after: float | None = None


class Client:
    """Requests to one server for one model: keep-alive, at most ``concurrency`` at a time, retried with jitter.

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
        self.url = _checked_url(url)
        self.shown_url = str(self.url.copy_with(userinfo=b"", query=None, fragment=None))
        self.sent = 0
        """Tries that went out, retries included."""
        self._timeout = timeout_seconds
        self._retry = retry or RetryPolicy()
        self._health = Health()
        self._slots = asyncio.Semaphore(concurrency)
        self._pool: Pool = pool or _OneServer(str(self.url))
        self._dialect: Dialect | None = None
        self._taken: frozenset[str] = frozenset()
        self._refused: frozenset[str] = frozenset()
        self._probing = asyncio.Lock()
        limits = httpx.Limits(max_connections=concurrency + 1, max_keepalive_connections=concurrency + 1)
        # A proxy of the environment must not come between this process and a server on the same machine.
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {key}"} if key else None,
            timeout=httpx.Timeout(timeout_seconds, connect=min(10.0, timeout_seconds), pool=None),
            limits=limits,
            trust_env=self.url.host not in ("localhost", "127.0.0.1", "::1"),
        )

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

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
            RequestRefused: the server will not take this request (400, 413, 422); others may pass.
            RequestFailed: every try failed although the server is up.
            BackendError: the server is down, wrongly addressed, or refuses the key.
        """
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
        return _merged([*parts, *await self._answers(body, range(found, n), 1, began)], n, began)

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
        async with self._slots:
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
            owners = await self._owners()
            known: dict[str, Dialect] = {"llamacpp": "llama.cpp", "vllm": "vllm"}
            found = [known[owner] for owner in owners or () if owner in known]
            dialect: Dialect = found[0] if found else "other"
            if owners is not None:
                self._dialect = dialect
            return dialect

    async def _owners(self) -> list[str] | None:
        """``owned_by`` of the served models; None where the server cannot be reached."""
        url = await self._pool.take()
        answered = None
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                response = await self._http.get(_joined(url, "models"))
            answered = response.is_success
            models = orjson.loads(response.content)["data"] if answered else []
            return [str(model.get("owned_by", "")) for model in models]
        except (httpx.TransportError, TimeoutError):
            answered = False
            return None
        except (ValueError, KeyError, TypeError, AttributeError):
            return []
        finally:
            # A list of models is no proof that the model answers.
            self._pool.give_back(url, answered=None if answered else answered)

    async def _completion(self, body: bytes, began: float) -> Completion:
        """Send until there is an answer. A request is given up only when the server is seen to be up."""
        tries = timeouts = 0
        while True:
            outcome = await self._try(body, began)
            if isinstance(outcome, Completion):
                self._health.succeeded()
                return outcome
            self._health.failed()
            tries, timeouts = tries + 1, timeouts + (outcome.reason == "timeout")
            if not self._pool.is_watched and self._health.is_down(self._retry):
                raise BackendError(
                    f"{self.shown_url}: no answer to the last {self._health.failures} tries ({outcome.reason}): "
                    "start the server or wait for it, then run the same command again; finished requests are kept"
                )
            is_used_up = tries >= self._retry.tries or timeouts >= self._retry.timeouts
            if is_used_up and await self._owners() is not None:
                raise RequestFailed(outcome.reason)
            await asyncio.sleep(self._retry.wait(tries, outcome.after))

    async def _try(self, body: bytes, began: float) -> Completion | _Retry:
        url = await self._pool.take()
        answered = None
        self.sent += 1
        try:
            # httpx counts time between bytes; a server that drips needs a limit on the whole.
            async with asyncio.timeout(self._timeout):
                response = await self._http.post(
                    _joined(url, "chat/completions"), content=body, headers={"Content-Type": "application/json"}
                )
            answered = not response.is_server_error
        except (TimeoutError, httpx.TimeoutException):
            answered = False
            return _Retry("timeout")
        except httpx.TransportError as error:
            answered = False
            return _Retry(_snake(type(error).__name__))
        finally:
            self._pool.give_back(url, answered=answered)
        if response.is_success:
            return parse_completion(response.content, time.monotonic() - began) or _Retry("malformed_response")
        if response.status_code in RETRIED or response.is_server_error:
            return _Retry(f"status_{response.status_code}", retry_after_seconds(response.headers.get("Retry-After")))
        raise self._rejection(response)

    def _rejection(self, response: httpx.Response) -> BackendError | RequestRefused:
        status = response.status_code
        if status not in REFUSED:
            hint = _HINTS.get(status, "is this an OpenAI-compatible server? Check backend.url")
            return BackendError(f"{self.shown_url}/chat/completions: status {status}: {hint}")
        self._health.refused()
        reason = error_code(response.content) or f"status_{status}"
        if not self._health.answered and self._health.refusals >= self._retry.down_after_failures:
            return BackendError(
                f"{self.shown_url}/chat/completions: status {status} ({reason}) to the first "
                f"{self._health.refusals} requests: the server takes none of them; check backend.model, "
                "backend.max_tokens and the context window that the server was started with"
            )
        return RequestRefused(reason)


def _checked_url(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url.rstrip("/"))
    except httpx.InvalidURL as error:
        raise ConfigError(f"backend.url: not an address: {error}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ConfigError(
            f"backend.url: got scheme {parsed.scheme!r} and host {parsed.host!r}, expected http(s)://host:port/v1"
        )
    if parsed.host in _FORBIDDEN_HOSTS:
        raise ConfigError(f"backend.url: {parsed.host} is a cloud's metadata service, not a model server")
    return parsed


def _joined(url: str, path: str) -> httpx.URL:
    base = httpx.URL(url)
    return base.copy_with(path=f"{base.path.rstrip('/')}/{path}")


def _droppable(doubtful: Sequence[str]) -> Iterator[frozenset[str]]:
    """Which fields to leave out, try by try: each alone, then all."""
    alone = [frozenset({name}) for name in doubtful]
    return chain(alone, [frozenset(doubtful)] if len(alone) > 1 else [])


def _merged(parts: Sequence[Completion], n: int, began: float) -> Completion:
    """One completion of ``n`` answers out of several requests, in order."""
    first = parts[0]
    choices = [choice for part in parts for choice in (Choice(part.text, part.finish_reason), *part.others)][:n]
    return Completion(
        text=first.text,
        finish_reason=first.finish_reason,
        prompt_tokens=sum(part.prompt_tokens for part in parts),
        completion_tokens=sum(part.completion_tokens for part in parts),
        seconds=time.monotonic() - began,
        others=tuple(choices[1:]),
        first_logprobs=first.first_logprobs,
    )


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
