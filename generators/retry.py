"""When a request is sent again, how long to wait before it, and when a server counts as down."""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from phrasemill.schemas.errors import PhrasemillError

RETRIED: Final = frozenset({408, 409, 425, 429})
"""Status codes that pass with time; every 5xx too."""

REFUSED: Final = frozenset({400, 413, 422})
"""Status codes that concern this one request."""

OVERLOADED: Final = frozenset({"status_429", "status_503", "timeout"})
"""Reasons by which a server says that it has too much to do."""

COSTLY: Final = frozenset({"timeout", "too_large"})
"""Reasons that cost a server, or us, as much as an answer does: such a request is tried less often."""

LOST: Final = frozenset({"read_error", "write_error", "remote_protocol_error"})
"""The connection broke after the request was sent: it may be what killed the server."""


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
    ``retry_after_cap``. A request is tried ``tries`` times, ``timeouts`` times where each takes long, ``lost`` times
    where the connection breaks under it. Over all requests, each answered one pays for ``share`` tries again. After
    ``down_after_failures`` in a row everybody waits until the server answers a small request, which is sent at most
    ``probe_cap`` apart; a server that does not for ``down_after`` is down.
    """

    tries: int = 6
    timeouts: int = 3
    lost: int = 4
    base: float = 0.5
    cap: float = 20.0
    retry_after_cap: float = 60.0
    share: float = 0.5
    probe_cap: float = 5.0
    down_after_failures: int = 20
    down_after: float = 60.0

    def wait(self, tries: int, retry_after: float | None) -> float:
        """How long to wait after ``tries`` failed tries: full jitter, on top of what the server asked for."""
        jitter = random.uniform(0.0, min(self.cap, self.base * 2.0 ** min(tries - 1, 32)))
        return jitter if retry_after is None else min(retry_after, self.retry_after_cap) + min(jitter, self.base)


@dataclass(slots=True)
class Tries:
    """The failed tries of one request, by kind."""

    policy: RetryPolicy
    all: int = 0
    costly: int = 0
    lost: int = 0

    def failed(self, reason: str) -> None:
        """Count one more."""
        self.all += 1
        self.costly += reason in COSTLY
        self.lost += reason in LOST

    def excuse(self) -> None:
        """The server answered nobody: that is not held against the request, but for broken connections."""
        self.all = self.costly = 0

    @property
    def is_last(self) -> bool:
        """Whether one more failure is the end of it, if the server answers others."""
        policy = self.policy
        is_last = self.all >= policy.tries - 1 or self.costly >= policy.timeouts - 1 or self.is_suspect
        return self.all > 0 and is_last

    @property
    def are_over(self) -> bool:
        """Whether that was one too many of its kind."""
        policy = self.policy
        return self.all >= policy.tries or self.costly >= policy.timeouts or self.lost >= policy.lost

    @property
    def is_suspect(self) -> bool:
        """Whether the request may be what breaks connections."""
        return self.lost >= max(1, self.policy.lost - 1)


@dataclass(slots=True)
class Health:
    """Failures in a row over all requests of a client, and since when the server answers nobody."""

    policy: RetryPolicy
    failures: int = 0
    answered: bool = False
    refusals: int = 0
    silent_since: float | None = None
    reason: str = ""
    after: float | None = None

    def succeeded(self) -> None:
        """A request was answered."""
        self.failures, self.refusals, self.answered, self.silent_since = 0, 0, True, None

    def refused(self) -> None:
        """The server is there but would not take a request."""
        self.failures, self.refusals, self.silent_since = 0, self.refusals + 1, None

    def failed(self, reason: str, after: float | None) -> None:
        """A try failed on its way or with a status that passes. ``after``: the wait that the server asks for."""
        self.failures, self.reason, self.after = self.failures + 1, reason, after
        if self.failures >= self.policy.down_after_failures:
            self.is_silent()

    def is_silent(self) -> None:
        """Even a small request was not answered, or too many failed: nothing else is sent until one is answered."""
        self.silent_since = time.monotonic() if self.silent_since is None else self.silent_since

    @property
    def left(self) -> float:
        """Seconds until the server counts as down."""
        since = time.monotonic() if self.silent_since is None else self.silent_since
        return max(0.0, since + self.policy.down_after - time.monotonic())

    @property
    def is_down(self) -> bool:
        """Whether the server has answered nobody for long enough."""
        return self.silent_since is not None and self.left == 0.0


def retry_after_seconds(header: str | None) -> float | None:
    """The wait that a Retry-After header asks for, in seconds from now, or None where it says nothing readable."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        pass
    else:
        return None if math.isnan(seconds) else max(0.0, seconds)
    try:
        when = parsedate_to_datetime(header)
        when = when.replace(tzinfo=UTC) if when.tzinfo is None else when
        return max(0.0, when.timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
