"""When a request is sent again, how long to wait before it, and when a server counts as down."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Final

from phrasemill.schemas.errors import PhrasemillError

RETRIED: Final = frozenset({408, 409, 425, 429})
"""Status codes that pass with time; every 5xx too."""

REFUSED: Final = frozenset({400, 413, 422})
"""Status codes that concern this one request."""


class RequestRefused(PhrasemillError):
    """The server will not answer this request, however often it is asked. ``reason`` is one word."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the server refused the request: {reason}")
        self.reason = reason

    def __reduce__(self) -> tuple[type[RequestRefused], tuple[str]]:
        return type(self), (self.reason,)


class RequestFailed(PhrasemillError):
    """The request failed too often while the server answers others. ``reason`` is one word."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the request failed: {reason}")
        self.reason = reason

    def __reduce__(self) -> tuple[type[RequestFailed], tuple[str]]:
        return type(self), (self.reason,)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Tries of one request, waits between them, and when a server is given up. All times in seconds.

    A wait is drawn evenly from 0 to ``base`` doubled with every try, never past ``cap``; a Retry-After counts up to
    ``retry_after_cap``. A server is down after ``down_after_failures`` failures in a row that span ``down_after``.
    """

    tries: int = 6
    timeouts: int = 2
    base: float = 0.5
    cap: float = 20.0
    retry_after_cap: float = 60.0
    down_after_failures: int = 20
    down_after: float = 60.0

    def wait(self, tries: int, retry_after: float | None) -> float:
        """How long to wait after ``tries`` failed tries: full jitter, on top of what the server asked for."""
        jitter = random.uniform(0.0, min(self.cap, self.base * 2.0 ** min(tries - 1, 32)))
        return jitter if retry_after is None else min(retry_after, self.retry_after_cap) + min(jitter, self.base)


@dataclass(slots=True)
class Health:
    """Failures in a row over all requests of a client."""

    failures: int = 0
    since: float = field(default_factory=time.monotonic)
    answered: bool = False
    refusals: int = 0

    def succeeded(self) -> None:
        """A request was answered."""
        self.failures, self.refusals, self.answered = 0, 0, True

    def refused(self) -> None:
        """The server is there but would not take a request."""
        self.failures, self.refusals = 0, self.refusals + 1

    def failed(self) -> None:
        """A try failed on its way or with a status that passes."""
        if self.failures == 0:
            self.since = time.monotonic()
        self.failures += 1

    def is_down(self, policy: RetryPolicy) -> bool:
        """Whether enough tries failed for long enough."""
        return self.failures >= policy.down_after_failures and time.monotonic() - self.since >= policy.down_after


def retry_after_seconds(header: str | None) -> float | None:
    """The wait that a Retry-After header asks for, in seconds from now, or None where it says nothing readable."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return None
