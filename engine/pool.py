"""Shards to worker processes and results back, in the order in which they finish."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from itertools import islice
from typing import Final, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

INLINE_BYTES: Final = 8 * 1024 * 1024
"""Input smaller than this is done in the calling process: starting workers would take longer."""


def worker_count() -> int:
    """Processes to use: one per core that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_jobs(
    work: Callable[[Job], Result], jobs: Sequence[Job], *, workers: int, stopping: Callable[[], bool]
) -> Iterator[Result]:
    """Results of ``work`` for every job, as they come. Once ``stopping()`` is true no further job is begun.

    With one worker, or one job, everything happens in the calling process. A job that raises ends the whole; the
    jobs already running finish first.
    """
    if workers <= 1 or len(jobs) <= 1:
        for job in jobs:
            if stopping():
                return
            yield work(job)
        return
    # Imported here: it takes a while, and small inputs do without. Its processes are started afresh, since a fork of
    # a process in which Arrow or polars run threads can hang, and need no guard in the caller's main module.
    from loky import ProcessPoolExecutor

    # An interrupt from the terminal goes to the whole group; the workers finish what they do, the caller decides.
    ignore = (signal.SIGINT, signal.SIG_IGN)
    with ProcessPoolExecutor(min(workers, len(jobs)), initializer=signal.signal, initargs=ignore) as pool:
        queue = iter(jobs)
        running: set[Future[Result]] = {pool.submit(work, job) for job in islice(queue, workers)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                if not stopping():
                    running |= {pool.submit(work, job) for job in islice(queue, 1)}
                yield future.result()
