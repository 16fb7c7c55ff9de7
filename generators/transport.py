"""Whole HTTP responses of at most so many bytes, over kept connections, never after a redirect."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

import httpx

from phrasemill.generators.address import is_loopback
from phrasemill.generators.wire import MAX_RESPONSE_BYTES

SHORTEST_KEY: Final = 12
"""Shorter words that stand for a key, such as ``EMPTY``, open nothing, and may be part of an answer."""

KEY_SHOWN: Final = b"[key]"

_PACKED: Final = frozenset({"gzip", "x-gzip", "deflate"})
_WINDOWS: Final = (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS)
"""gzip and zlib by their heads; what many servers send as deflate has none."""


@dataclass(frozen=True, slots=True)
class Received:
    """A whole response. ``connection`` is what it came on."""

    status: int
    headers: httpx.Headers
    content: bytes
    connection: Any


class TooLarge(Exception):
    """More bytes than any answer has."""


class Transport:
    """Connections to one server, at most ``connections`` at a time; an async context manager."""

    def __init__(self, host: str, key: str | None, timeout_seconds: float, connections: int) -> None:
        """Nothing is opened yet. ``host`` decides whether a proxy of the environment is used."""
        self._key = key.encode() if key and len(key) >= SHORTEST_KEY else None
        # Bodies are counted as they come; what is packed all the same is unpacked no further than it may be long.
        headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._http = httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(timeout_seconds, connect=min(10.0, timeout_seconds), pool=None),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            # The key would go along.
            follow_redirects=False,
            # A proxy of the environment must not come between this process and a server on the same machine.
            trust_env=not is_loopback(host),
        )

    async def __aenter__(self) -> Transport:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def receive(self, method: str, url: httpx.URL, body: bytes = b"", name: str = "") -> Received:
        """The response to one request. ``name``: what the request calls itself.

        Raises:
            httpx.TransportError: there was none, or not a whole one.
            TooLarge: it was left unread, and its connection with it; or it is too long unpacked.
        """
        headers = {"Content-Type": "application/json", "X-Request-Id": name} if name else {}
        async with self._http.stream(method, url, content=body or None, headers=headers) as response:
            content = bytearray()
            async for part in response.aiter_raw():
                content += part
                if len(content) > MAX_RESPONSE_BYTES:
                    raise TooLarge
            connection = response.extensions["network_stream"]
        if response.headers.get("Content-Encoding", "").strip().lower() in _PACKED:
            content = _unpacked(content)
        if self._key is not None:  # servers like to echo it, and what they say is kept
            content = content.replace(self._key, KEY_SHOWN)
        return Received(response.status_code, response.headers, bytes(content), connection)


def _unpacked(content: bytearray) -> bytearray:
    """What gzip or deflate holds; as it came where it is neither.

    Raises:
        TooLarge: more than any answer has.
    """
    for window in _WINDOWS:
        try:
            found = zlib.decompressobj(window).decompress(content, MAX_RESPONSE_BYTES + 1)
        except zlib.error:
            continue
        if len(found) > MAX_RESPONSE_BYTES:
            raise TooLarge
        return bytearray(found)
    return content
