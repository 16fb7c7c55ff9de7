"""Signals: the first one lets running work finish and commit, a later one ends the process."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from phrasemill.schemas.errors import Interrupted

_ONE_SECONDS: Final = 1.0
"""Signals that come so close together are one: whoever stops a process often stops its group as well."""


class Stop:
    """Whether a signal has come. ``check`` raises Interrupted if one has."""

    def __init__(self) -> None:
        self.signal_number = 0
        self.since = 0.0

    def __bool__(self) -> bool:
        return self.signal_number != 0

    def check(self) -> None:
        """Raise Interrupted if a signal has come."""
        if self.signal_number:
            raise Interrupted(
                f"stopped by {signal.Signals(self.signal_number).name}; what was finished is kept, "
                "run the same command again to go on",
                self.signal_number,
            )


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Catch SIGINT and SIGTERM while the block runs; only the main thread may, elsewhere nothing is caught."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if stop.signal_number:
            if time.monotonic() - stop.since < _ONE_SECONDS:
                return
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        stop.signal_number, stop.since = number, time.monotonic()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
