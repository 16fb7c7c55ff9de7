"""Watching a generation while it runs: what goes wrong shows in the first hundred answers, not in the last."""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

from phrasemill.schemas.generate import MonitorConfig

_KINDS: Final = tuple(name for name in MonitorConfig.model_fields if name != "after")


class Monitor:
    """Shares of the reasons for which items ended, over all of them and over the latest. Items are added in order."""

    def __init__(self, limits: MonitorConfig) -> None:
        self._limits = limits
        self._recent: deque[str] = deque(maxlen=2 * limits.after)
        self._counts: Counter[str] = Counter()
        self._seen = 0

    def add(self, reason: str) -> None:
        """An item ended, accepted where the reason is empty. What follows a colon in a reason is its detail."""
        kind = reason.partition(":")[0]
        if len(self._recent) == self._recent.maxlen:
            self._counts[self._recent[0]] -= 1
        self._recent.append(kind)
        self._counts[kind] += 1
        self._seen += 1

    def stop_reason(self) -> str | None:
        """Why the run should stop, in a sentence: a share of the latest items passes its limit; None while none does.

        The latest are twice ``after``; nothing is said before ``after`` items have ended.
        """
        if self._seen < self._limits.after:
            return None
        latest = len(self._recent)
        for kind in _KINDS:
            limit, count = getattr(self._limits, kind), self._counts[kind]
            if count / latest > limit:
                return f"{kind} in {count} of the last {latest} items ({count / latest:.0%}, limit {limit:.0%})"
        return None
