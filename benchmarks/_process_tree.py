"""What a command and all its processes hold, sampled from ``/proc`` while it runs (Linux)."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

INTERVAL: Final = 0.02
"""Seconds between two looks at the resident sizes; every look takes a few more."""

_SHARED_EVERY: Final = 8
"""Looks between two at the proportional sizes, which take longer."""

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Held:
    """Bytes. ``rss``: the peak of the sum over all processes, pages that two of them share counted twice.

    ``pss``: the same with shared pages counted once. ``largest``: the peak of one process alone. ``samples``: looks.
    """

    code: int
    seconds: float
    cpu_seconds: float
    rss: int
    pss: int
    largest: int
    samples: int


def held_by(command: Sequence[str]) -> Held:
    """Run the command to its end; its output goes to this process's error output."""
    before, started = os.times(), time.monotonic()
    rss = pss = largest = samples = 0
    with subprocess.Popen(command, stdout=2) as process:
        while process.poll() is None:
            processes = _tree(process.pid)
            sizes = [_rss(each) for each in processes]
            rss, largest = max(rss, sum(sizes)), max([largest, *sizes])
            if samples % _SHARED_EVERY == 0:
                pss = max(pss, sum(_pss(each) for each in processes))
            samples += 1
            time.sleep(INTERVAL)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Held(process.returncode, time.monotonic() - started, cpu, rss, pss, largest, samples)


def _tree(root: int) -> list[int]:
    """The process and all below it."""
    found = [root]
    for process in found:
        try:
            for task in Path(f"/proc/{process}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return found


def _rss(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _pss(process: int) -> int:
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))
