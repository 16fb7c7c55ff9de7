"""One task on some machine, in a process of its own: the jobs of a rank, one after the other.

``python -m phrasemill.engine.executors.task SPOOL RANK PARENT``; PARENT is the process that started it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final

from phrasemill.engine.executors.spool import Spool
from phrasemill.engine.executors.work import describe
from phrasemill.engine.scratch import Pulse

_PARENT_SECONDS: Final = 1.0
_PULSE_SECONDS: Final = 5.0

ABANDONED: Final = 3
"""Exit status of a task whose parent or run is gone."""


def run_task(spool: Spool, rank: int, gone: Callable[[], bool]) -> None:
    """Do the jobs that have no result yet. One that raises leaves its error as the result and ends the task.

    A task that is executed again, or twice at once, does no harm: every execution writes to a folder of its own.
    """
    work, jobs = spool.task(rank)
    for job in jobs:
        if spool.stopped or gone():
            return
        key = work.key(job)
        if spool.finished(key):
            continue
        spool.begin(key)
        try:
            told = {"result": work.encode(work.run(job))}
        except Exception as error:  # whatever it is, the driver tells it
            spool.finish(key, {"error": describe(error, traceback.format_exc())})
            return
        spool.finish(key, told)


def _watch(parent: int, pulse: Pulse) -> None:
    looked = time.monotonic()
    while os.getppid() == parent:
        if time.monotonic() - looked > _PULSE_SECONDS:
            looked = time.monotonic()
            if pulse.gone():
                break
        time.sleep(_PARENT_SECONDS)
    os._exit(ABANDONED)


def main() -> None:
    """Do the task named on the command line; end at once when the parent process or the run is gone."""
    spool, rank, parent = Spool(Path(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_watch, args=(parent, Pulse(spool.scratch)), name="watch", daemon=True).start()
    run_task(spool, rank, lambda: os.getppid() != parent)


if __name__ == "__main__":
    main()
