"""Progress for people: how far, how fast, how long still, on stderr and only where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

Advance = Callable[[int], None]
"""Called with how many more units are done."""


@contextmanager
def progress(
    label: str, total: int | None, unit: Literal["rows", "requests", "bytes"] = "rows", *, enabled: bool | None = None
) -> Iterator[Advance]:
    """Show a line with the share done, the rate and the time left while the block runs; it vanishes at the end.

    ``total`` None: no share and no time left. ``enabled`` None: only where stderr is a terminal. Otherwise nothing is
    printed. The function that is handed out may be called from any thread.
    """
    if enabled is None:
        enabled = sys.stderr.isatty()
    if not enabled:
        yield lambda _done: None
        return
    # Only now: rich is not needed where nobody watches.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=Console(stderr=True, force_terminal=True), transient=True) as bar:
        task = bar.add_task(label, total=total, rate="")

        def advance(done: int) -> None:
            bar.advance(task, done)
            speed = bar.tasks[0].speed
            bar.update(task, rate="" if speed is None else rate(speed, unit))

        yield advance


def rate(per_second: float, unit: Literal["rows", "requests", "bytes"]) -> str:
    """Return a rate in words: ``51,173 rows/s``, ``2.4 requests/s``, ``83.1 MB/s``."""
    if unit == "bytes":
        return f"{per_second / 1e6:.1f} MB/s"
    return f"{per_second:,.0f} {unit}/s" if per_second >= 10 else f"{per_second:.1f} {unit}/s"
