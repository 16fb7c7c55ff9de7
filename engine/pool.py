"""Jobs to worker processes of this machine and results back, in the order in which they finish.

A worker that dies takes its whole pool along. What was in flight is tried again, each such job alone in a pool of its
own: if that dies too, it is known which job it was.
"""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Final, Generic, TypeVar

from phrasemill.engine.executors.step import thread_limits
from phrasemill.schemas.errors import WorkerError

Job = TypeVar("Job")
Result = TypeVar("Result")

INLINE_BYTES: Final = 8 * 1024 * 1024
"""Input smaller than this is done in the calling process: starting workers would take longer."""

MAX_DEATHS: Final = 3
"""A job in whose company a worker died so often, at last alone, is given up."""

_PARENT_SECONDS: Final = 1.0
"""Between two looks of a worker at whether its parent lives."""


def worker_count() -> int:
    """Processes to use: one per core that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_jobs(
    work: Callable[[Job], Result],
    jobs: Sequence[Job],
    *,
    workers: int,
    stopping: Callable[[], bool],
    source: Callable[[Job], str] = repr,
) -> Generator[Result, None, None]:
    """Results of ``work`` for every job, as they come. Once ``stopping()`` is true no further job is begun.

    With one worker, or one job, everything happens in the calling process. A job that raises ends the whole; the
    jobs already running finish first. ``source`` names a job for people.

    Raises:
        WorkerError: jobs whose worker died again and again, after all others are done.

    """
    if workers <= 1 or len(jobs) <= 1:
        for job in jobs:
            if stopping():
                return
            yield work(job)
        return
    yield from _Pools(work, jobs, workers, stopping).results(source)


class _Pools(Generic[Job, Result]):
    """Pools one after the other. ``waiting`` are indices of jobs, ``alone`` those in whose company a worker died."""

    def __init__(
        self, work: Callable[[Job], Result], jobs: Sequence[Job], workers: int, stopping: Callable[[], bool]
    ) -> None:
        self.work = work
        self.jobs = jobs
        self.workers = workers
        self.stopping = stopping
        self.waiting = list(range(len(jobs)))
        self.alone: list[int] = []
        self.deaths: dict[int, int] = {}
        self.why = ""

    def results(self, source: Callable[[Job], str]) -> Iterator[Result]:
        lost: list[int] = []
        while (self.waiting or self.alone) and not self.stopping():
            suspects, self.alone = self.alone, []
            for at in suspects:
                yield from self._pool([at], 1)
            lost += [at for at in self.alone if self.deaths[at] >= MAX_DEATHS]
            self.alone = [at for at in self.alone if self.deaths[at] < MAX_DEATHS]
            if not self.alone and self.waiting:
                batch, self.waiting = self.waiting, []
                yield from self._pool(batch, min(self.workers, len(batch)))
        if lost and not self.stopping():
            raise _lost([source(self.jobs[at]) for at in lost], self.why)

    def _pool(self, batch: list[int], workers: int) -> Iterator[Result]:
        """One pool until all is done, a signal came, or it broke: then its jobs are ``waiting`` or ``alone`` again."""
        # Imported here: it takes a while, and small inputs do without. Its processes are started afresh, since a fork
        # of a process in which Arrow or polars run threads can hang, and need no guard in the caller's main module.
        from loky.process_executor import ProcessPoolExecutor

        how: dict[str, Any] = {"initializer": _begin_worker, "initargs": (os.getpid(),), "env": thread_limits()}
        queue = iter(batch)
        running: dict[Future[Result], int] = {}
        with ProcessPoolExecutor(workers, **how) as pool:
            whole = self._submit(pool, queue, running, workers)
            while whole and running:
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                ended = [(future, running.pop(future)) for future in done]
                whole = not any(_is_death(future.exception()) for future in done)
                # Before the next job is begun, so that whoever is killed now has one job a worker to do again, not two.
                for future, at in ended:
                    yield from self._ended(future, at)
                whole = whole and self._submit(pool, queue, running, workers)
            for future, at in running.items():
                yield from self._ended(future, at)
        self.waiting += queue

    def _submit(self, pool: Any, queue: Iterator[int], running: dict[Future[Result], int], workers: int) -> bool:
        """Fill the pool unless a signal came. False: it broke meanwhile."""
        while len(running) < workers and not self.stopping():
            at = next(queue, None)
            if at is None:
                break
            try:
                running[pool.submit(self.work, self.jobs[at])] = at
            except BrokenProcessPool as error:
                if not _is_death(error):
                    raise
                self.waiting.append(at)
                return False
        return True

    def _ended(self, future: Future[Result], at: int) -> Iterator[Result]:
        """The result of a future; none where its pool broke, which its job is remembered for."""
        error = future.exception()
        if error is not None and _is_death(error):
            codes = re.search(r"exit codes of the workers are \{(.*?)\}", str(error))
            self.why = codes[1] if codes else str(error)
            self.deaths[at] = self.deaths.get(at, 0) + 1
            self.alone.append(at)
        else:
            yield future.result()


def _is_death(error: BaseException | None) -> bool:
    """Whether a worker died; a pool breaks too when it cannot hand a job over, which no second try mends."""
    from loky.process_executor import TerminatedWorkerError

    return isinstance(error, TerminatedWorkerError)


def _lost(sources: Sequence[str], why: str) -> WorkerError:
    more = f" (and {len(sources) - 1} more)" if len(sources) > 1 else ""
    return WorkerError(
        f"{sources[0]}{more}: its worker process died {MAX_DEATHS} times, the last time alone ({why}); everything else "
        "was done. Most often memory ran out: run the same command again with fewer --workers or more memory, or take "
        "the file out of the input"
    )


def _begin_worker(parent: int) -> None:
    """Leave signals to the caller, who lets running work finish; end soon after the caller is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), name="parent", daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_PARENT_SECONDS)
    os._exit(1)
