"""How fast a server is asked: how many requests are in flight, and how many of them may be tries again.

Both follow what the server says of itself, so that one that cannot keep up is asked less, not more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

OVERLOADED_SHARE: Final = 0.125
"""Of a window of outcomes, more signs of overload than this: fewer in flight. It is more than chance faults make."""

CUT: Final = 0.7
"""What is left of the number in flight after a window with too many signs of overload."""

STEP_SHARE: Final = 1 / 16
"""Of the most that may be in flight: what a window without them adds, at least one."""

_WINDOW_ROUNDS: Final = 2
_LEAST_WINDOW: Final = 16
_LEAST_SAVED: Final = 10.0
_IDLE_SHARE: Final = 0.25
"""Tries again a second, as a share of the number in flight, that need no answered request to pay for them."""


class Pace:
    """Slots for requests and a budget for tries again. One event loop.

    ``limit`` is how many may be in flight now, from 1 to ``most``: less by a factor where a window of outcomes shows
    overload, more by a step where it does not. The budget holds what answered requests paid in, ``share`` each, and
    fills slowly by itself, so that nothing waits for ever.
    """

    def __init__(self, most: int, share: float) -> None:
        self.most = most
        self.limit = float(most)
        self.cuts = 0
        """How often the limit was lowered."""
        self._slots = asyncio.Semaphore(most)
        self._open = most
        self._seen = self._overloaded = 0
        self._share = share
        self._saved = self._most_saved = max(_LEAST_SAVED, 2.0 * most)
        self._counted = time.monotonic()
        self._spending = asyncio.Lock()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[int]:
        """A place among the requests in flight. Gives ``cuts`` as it was on entering, for ``heard``."""
        await self._slots.acquire()
        try:
            yield self.cuts
        finally:
            if self._open > int(self.limit):
                self._open -= 1
            else:
                self._slots.release()

    def heard(self, *, overloaded: bool, cuts: int) -> None:
        """A request came back. What was sent before the last cut says nothing about the pace after it."""
        if cuts != self.cuts:
            return
        self._seen += 1
        self._overloaded += overloaded
        window = max(_LEAST_WINDOW, int(_WINDOW_ROUNDS * self.limit))
        if self._overloaded > OVERLOADED_SHARE * window:
            self.limit, self.cuts = max(1.0, self.limit * CUT), self.cuts + 1
        elif self._seen >= window:
            self.limit = min(float(self.most), self.limit + max(1.0, self.most * STEP_SHARE))
        else:
            return
        self._seen = self._overloaded = 0
        while self._open < int(self.limit):
            self._open += 1
            self._slots.release()

    def earn(self) -> None:
        """An answered request pays for a share of a try again."""
        self._saved = min(self._most_saved, self._saved + self._share)

    async def spend(self) -> None:
        """Wait, in turn, until a try again is paid for."""
        async with self._spending:
            while True:
                now, rate = time.monotonic(), max(1.0, self.most * _IDLE_SHARE)
                self._saved = min(self._most_saved, self._saved + (now - self._counted) * rate)
                self._counted = now
                if self._saved >= 1.0:
                    self._saved -= 1.0
                    return
                await asyncio.sleep((1.0 - self._saved) / rate)
