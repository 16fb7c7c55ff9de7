"""One asynchronous client for every server that speaks the OpenAI wire format.

Messages of errors name the address, the status and what to do, never a key, a prompt or what the server said: servers
like to echo both.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

import httpx
import orjson

from phrasemill.generators.bans import Dialect, ban_fields
from phrasemill.generators.retry import (
    REFUSED,
    RETRIED,
    Health,
    RequestFailed,
    RequestRefused,
    RetryPolicy,
    retry_after_seconds,
)
from phrasemill.schemas.errors import BackendError, ConfigError

_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{1,59}")
_HINTS: Final = {
    401: "the key was not accepted: check the variable that backend.api_key_env names",
    403: "the key may not use this model: check the key and backend.model",
    404: "no such address or model: check backend.url (it ends in /v1) and backend.model",
}
_PROBE_SECONDS: Final = 5.0
_FORBIDDEN_HOSTS: Final = frozenset({"169.254.169.254", "metadata.google.internal"})


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer and why it ended (``stop``, ``length``, ``content_filter``, ...)."""

    text: str
    finish_reason: str


@dataclass(frozen=True, slots=True)
class Completion:
    """What a server answered. Tokens are of the whole request; ``seconds`` includes waits and retries.

    ``others`` are the second and later answers where ``n`` was more than 1.
    """

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    others: tuple[Choice, ...] = ()


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
    ) -> None:
        """Check the address; nothing is sent yet.

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
        self._dialect: Dialect | None = None
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
        n: int = 1,
    ) -> Completion:
        """Ask for an answer to ``messages``. ``banned`` phrases are kept out of it where the server can do so.

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
        if n > 1:
            body["n"] = n
        if banned:
            body |= ban_fields(await self.dialect(), banned)
        began = time.monotonic()
        async with self._slots:
            return await self._completion(orjson.dumps(body), began)

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

    def _address(self, path: str) -> httpx.URL:
        return self.url.copy_with(path=f"{self.url.path.rstrip('/')}/{path}")

    async def _owners(self) -> list[str] | None:
        """``owned_by`` of the served models; None where the server cannot be reached."""
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                response = await self._http.get(self._address("models"))
            models = orjson.loads(response.content)["data"] if response.is_success else []
            return [str(model.get("owned_by", "")) for model in models]
        except (httpx.TransportError, TimeoutError):
            return None
        except (ValueError, KeyError, TypeError, AttributeError):
            return []

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
            if self._health.is_down(self._retry):
                raise BackendError(
                    f"{self.shown_url}: no answer to the last {self._health.failures} tries ({outcome.reason}): "
                    "start the server or wait for it, then run the same command again; finished requests are kept"
                )
            is_used_up = tries >= self._retry.tries or timeouts >= self._retry.timeouts
            if is_used_up and await self._owners() is not None:
                raise RequestFailed(outcome.reason)
            await asyncio.sleep(self._retry.wait(tries, outcome.after))

    async def _try(self, body: bytes, began: float) -> Completion | _Retry:
        self.sent += 1
        try:
            # httpx counts time between bytes; a server that drips needs a limit on the whole.
            async with asyncio.timeout(self._timeout):
                response = await self._http.post(
                    self._address("chat/completions"), content=body, headers={"Content-Type": "application/json"}
                )
        except (TimeoutError, httpx.TimeoutException):
            return _Retry("timeout")
        except httpx.TransportError as error:
            return _Retry(_snake(type(error).__name__))
        if response.is_success:
            return _parsed(response.content, time.monotonic() - began) or _Retry("malformed_response")
        if response.status_code in RETRIED or response.is_server_error:
            return _Retry(f"status_{response.status_code}", retry_after_seconds(response.headers.get("Retry-After")))
        raise self._rejection(response)

    def _rejection(self, response: httpx.Response) -> BackendError | RequestRefused:
        status = response.status_code
        if status not in REFUSED:
            hint = _HINTS.get(status, "is this an OpenAI-compatible server? Check backend.url")
            return BackendError(f"{self.shown_url}/chat/completions: status {status}: {hint}")
        self._health.refused()
        reason = _error_code(response.content) or f"status_{status}"
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


def _parsed(content: bytes, seconds: float) -> Completion | None:
    """The completion in a response body, or None where it is not one."""
    try:
        answer = orjson.loads(content)
        choices = [
            Choice(str(choice["message"].get("content") or ""), str(choice.get("finish_reason") or "stop"))
            for choice in sorted(answer["choices"], key=lambda choice: int(choice.get("index", 0)))
        ]
        usage = answer.get("usage") or {}
        return Completion(
            text=choices[0].text,
            finish_reason=choices[0].finish_reason,
            prompt_tokens=int(usage.get("prompt_tokens", 0)),
            completion_tokens=int(usage.get("completion_tokens", 0)),
            seconds=seconds,
            others=tuple(choices[1:]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None


def _error_code(content: bytes) -> str | None:
    """The server's own short word for the error; its sentence may hold text of the row and is never read."""
    try:
        error = orjson.loads(content)["error"]
        words = [str(error.get(field) or "") for field in ("code", "type")]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return next((word for word in words if _CODE.fullmatch(word)), None)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
