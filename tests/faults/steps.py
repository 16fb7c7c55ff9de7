"""Every change that this process makes under a folder, counted as it happens; one of them can fail, or be the last.

Python reports what it does to the file system through audit events; only fsync has none, and is wrapped. Arrow writes
natively and reports nothing: its writes are torn by a limit on the size of files, which the kernel enforces.
"""

from __future__ import annotations

import errno
import os
import re
import resource
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

How = Literal["count", "kill", "tear", "once", "lasting"]

TORN_BYTES: Final = 7
"""Where a torn write stops: inside the first bytes of any file of ours."""

_TABLES: Final = "spans|originals|verdicts|generations|sft|preference|queries|quarantine"
_NAMES: Final = re.compile(rf"part-[0-9a-f]+|[0-9a-f]{{12,}}|\b(?:{_TABLES})\b")
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_FULL: Final = frozenset({"open", "mkdir", "fsync", "link"})
"""What fails on a disk that is full; what frees space, and moves, goes on."""


@dataclass(slots=True)
class Steps:
    """Steps under ``root``. The ``at``-th (from 1), of all or of one ``kind``, is met as ``how`` says; 0 means none is.

    ``kill`` dies before it. ``tear`` lets files grow to ``TORN_BYTES`` from there on: the next longer write kills.
    ``once`` raises ``error`` there; ``lasting`` also at every later step that the error would meet.
    """

    root: str
    how: How = "count"
    at: int = 0
    kind: tuple[str, str] | None = None
    error: int = 0
    seen: list[tuple[str, str]] = field(default_factory=list)
    failed: int = 0
    _count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def meet(self, name: str, path: str) -> None:
        """Take note of a step that is about to happen."""
        if path != self.root and not path.startswith(self.root + "/"):
            return
        with self._lock:
            self.seen.append((name, path[len(self.root) + 1 :]))
            counts = self.kind is None or kind_of(*self.seen[-1]) == self.kind
            self._count += counts
            here = counts and self._count == self.at
        if here and self.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if here and self.how == "tear":
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (TORN_BYTES, TORN_BYTES))
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        if self.how in ("once", "lasting") and (here or self._still(name)):
            self.failed += 1
            raise OSError(self.error, os.strerror(self.error), None if name == "fsync" else path)

    def _still(self, name: str) -> bool:
        lasts = self.how == "lasting" and self.failed > 0
        return lasts and (self.error != errno.ENOSPC or name in _FULL)


def kind_of(name: str, path: str) -> tuple[str, str]:
    """A step and what it is done to, whichever shard and table it is."""
    return name, _NAMES.sub("*", path)


_watched: Steps | None = None
_sync: Final = os.fsync


@contextmanager
def watch(steps: Steps) -> Iterator[Steps]:
    """Meet every step while the block runs; one block at a time."""
    global _watched
    _install()
    _watched = steps
    try:
        yield steps
    finally:
        _watched = None


def _install() -> None:
    """An audit hook stays for good; it is idle where nothing is watched."""
    if os.fsync is _sync:
        sys.addaudithook(_on_event)
        os.fsync = _on_sync


def _on_sync(descriptor: Any) -> None:
    if _watched is not None:
        number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
        _watched.meet("fsync", os.readlink(f"/proc/self/fd/{number}"))
    _sync(descriptor)


def _on_event(event: str, given: tuple[Any, ...]) -> None:
    if _watched is None:
        return
    if event == "open" and isinstance(given[0], str | bytes | os.PathLike) and given[2] & _WRITING:
        _watched.meet("open", _absolute(given[0]))
    elif event in ("os.rename", "os.link"):
        _watched.meet(event[3:], _absolute(given[1], given[3]))
    elif event == "os.mkdir":
        _watched.meet("mkdir", _absolute(given[0], given[2]))
    elif event in ("os.remove", "os.rmdir"):
        _watched.meet(event[3:], _absolute(given[0], given[1]))


def _absolute(path: Any, folder: int = -1) -> str:
    text = os.fsdecode(path)
    if folder != -1:
        return os.path.join(os.readlink(f"/proc/self/fd/{folder}"), text)
    return str(Path(text).absolute())
