"""Whether an answer belongs to the request that it came back on.

A server or a gateway that sends an answer twice leaves the second one in the connection, where the next request finds
it: another row's text. Every try carries a name of its own (``X-Request-Id``), which vLLM and many gateways repeat; an
answer that has a name and was seen before, byte for byte, on a connection in use is another's as well. A cache in front
of a server may give the answer that an earlier try of the same request did not wait for, under the name of that try: it
is as good.
"""

from __future__ import annotations

import re
import secrets
from itertools import count
from typing import Final
from weakref import WeakSet

_REMEMBERED: Final = 4096


class Replies:
    """The names of the tries of one client, and the answers that came."""

    def __init__(self) -> None:
        self._run = f"pm{secrets.token_hex(6)}"
        self._numbers = count(1)
        self._ours = re.compile(rf"{self._run}-\d+")
        self._seen: dict[int, None] = {}
        self._open: dict[str, int] = {}
        """Of the latest tries without an answer: what they sent."""
        self._used: WeakSet[object] = WeakSet()
        self._tells_apart = True

    def name(self, body: bytes = b"") -> str:
        """A name for the next try, which sends ``body``."""
        name = f"{self._run}-{next(self._numbers)}"
        self._open[name] = hash(body)
        if len(self._open) > _REMEMBERED:
            del self._open[next(iter(self._open))]
        return name

    def is_anothers(self, name: str, *, echoes: tuple[str, ...], content: bytes, connection: object) -> bool:
        """Whether the answer to the try ``name`` is that to another. ``echoes``: the names that came back with it.

        Raises nothing; an answer of a server that gives all answers one name, byte for byte, is never another's.
        """
        is_new = connection not in self._used
        self._used.add(connection)
        others = {found for echo in echoes for found in self._ours.findall(echo)} - {name}
        if others:
            return name not in self._open or any(self._open.get(other) != self._open[name] for other in others)
        self._open.pop(name, None)
        if not (any(echoes) and self._tells_apart):
            return False
        key = hash(content)
        if key not in self._seen:
            self._seen[key] = None
            if len(self._seen) > _REMEMBERED:
                del self._seen[next(iter(self._seen))]
            return False
        # Nothing can have been left in a connection that was just opened: such answers are alike by themselves.
        self._tells_apart = not is_new
        return self._tells_apart
