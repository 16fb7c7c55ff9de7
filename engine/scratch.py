"""A run's own folder under ``_tmp/``: what its workers write goes there, and a beat says that the run is alive.

Workers on other machines may outlive the run that started them, and so may a lock not reach them. Hence no two runs
ever share a folder for unfinished files, and whoever writes in one can see whether its run still goes on.
"""

from __future__ import annotations

import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from phrasemill.engine.folder import TEMPORARY
from phrasemill.schemas.errors import LockedError

ALIVE: Final = "alive"
BEAT_SECONDS: Final = 5.0
"""Between two beats of a run."""

SILENT_SECONDS: Final = 120.0
"""A worker whose run has not beaten for so long gives up: long enough for a file system that stalls."""

TAKEOVER_SECONDS: Final = 3 * BEAT_SECONDS
"""How long a start watches the beat that a run of another machine left."""


@contextmanager
def scratch_folder(out: Path) -> Iterator[Path]:
    """Make ``_tmp/<run id>/``, beat in it while the block runs, and remove it at the end.

    Raises:
        LockedError: something failed because another run has swept the folder meanwhile.

    """
    scratch = out / TEMPORARY / secrets.token_hex(8)
    scratch.mkdir(mode=0o700, parents=True)  # what tasks are to do lies in it: nobody else is to change that
    _beat(scratch, 0)
    ended = threading.Event()
    thread = threading.Thread(target=_beats, args=(scratch, ended), name="beat", daemon=True)
    thread.start()
    try:
        yield scratch
    except OSError as error:
        if scratch.is_dir():
            raise
        raise LockedError(f"{out}: another run has taken this folder over; what was finished is kept") from error
    finally:
        ended.set()
        thread.join()
        shutil.rmtree(scratch, ignore_errors=True)
        with suppress(OSError):  # not empty, or gone
            scratch.parent.rmdir()


def attempt_folder(scratch: Path, key: str) -> Path:
    """A new folder for one execution of a shard, whoever else executes it. FileNotFoundError: the run is over."""
    work = scratch / f"{key}.{secrets.token_hex(6)}"
    work.mkdir()
    return work


def refuse_living(out: Path, seconds: float = TAKEOVER_SECONDS) -> None:
    """Refuse a folder in which a run of another machine still beats; here the lock alone decides.

    On some shared file systems a lock holds on one machine only. A run that was killed there is told from a living
    one by watching for a while.

    Raises:
        LockedError: it beats; the message names process and host.

    """
    host = os.uname().nodename
    seen = {path: said for path in (out / TEMPORARY).glob(f"*/{ALIVE}") if (said := _said(path)) and said[1] != host}
    if not seen:
        return
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for path, before in seen.items():
            now = _said(path)
            if now is not None and now != before:
                raise LockedError(
                    f"{out}: another run writes here (process {now[0]} on {now[1]}); wait for it or stop it"
                )
        time.sleep(0.2)


class Pulse:
    """A worker's view of its run: ``gone()`` once the run has been silent for too long, or its folder was removed."""

    def __init__(self, scratch: Path) -> None:
        self._path = scratch / ALIVE
        self._last: tuple[str, str, str] | None = None
        self._since = time.monotonic()
        self._missed = 0

    def gone(self) -> bool:
        """Look once more; to be asked every few seconds. No clock of another machine counts."""
        said = _said(self._path)
        self._missed = 0 if self._path.exists() else self._missed + 1
        if said is not None and said != self._last:
            self._last, self._since = said, time.monotonic()
        return self._missed > 1 or time.monotonic() - self._since > SILENT_SECONDS


def _beats(scratch: Path, ended: threading.Event) -> None:
    count = 0
    while not ended.wait(BEAT_SECONDS):
        count += 1
        with suppress(OSError):  # a full disk, or a folder that another run swept: the run itself will find out
            _beat(scratch, count)


def _beat(scratch: Path, count: int) -> None:
    waiting = scratch / f".{ALIVE}"
    waiting.write_text(f"{os.getpid()} {os.uname().nodename} {count}\n")
    waiting.replace(scratch / ALIVE)


def _said(path: Path) -> tuple[str, str, str] | None:
    """Process, host and count of a beat; None where it cannot be read."""
    with suppress(OSError, UnicodeDecodeError):
        parts = path.read_text().split()
        if len(parts) == 3:
            return parts[0], parts[1], parts[2]
    return None
