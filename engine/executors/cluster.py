"""The driver's side of a cluster: jobs are placed, results are taken as they come, what was lost is placed once more.

Whether a job is done is never asked of the cluster: its result is there or it is not.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

from phrasemill.engine.executors.spool import Spool
from phrasemill.engine.executors.work import Job, Result, Work, revive
from phrasemill.schemas.errors import WorkerError

POLL_SECONDS: Final = 0.25
"""Between two looks at what has come."""

ROUNDS: Final = 2
"""How often a job is handed to the cluster, which tries again by itself each time, before it is given up."""

MAX_TASKS: Final = 1000
"""Most tasks of a round: what a Slurm array may hold, unless its site says otherwise, and what Ray places with ease."""

TASKS_PER_WORKER: Final = 4
"""Tasks for each that runs at once: few enough that starting them costs little, so many that all end together."""

_SETTLE_SECONDS: Final = 3.0
"""After the last task has ended: until what it wrote elsewhere shows here, asked for by its name."""


class Placed(Protocol):
    """Tasks that a cluster was given."""

    def ended(self) -> bool:
        """Whether none of them runs or waits any more."""

    def withdraw(self) -> None:
        """Take back those that have not begun, where the cluster can."""

    def close(self, *, complete: bool) -> None:
        """Free what they hold. Not ``complete``: also what still runs is ended."""

    def hint(self) -> str:
        """Where a person can see more, for an error."""


class Cluster(Protocol):
    """A place that executes every task of a spool, each at least once if it can."""

    def slots(self) -> int | None:
        """How many tasks run at once; None: as many as there are."""

    def place(self, spool: Spool, tasks: int) -> Placed:
        """Hand over the tasks 0 to ``tasks`` of the spool. WorkerError or ConfigError where that cannot be done."""


def run_on(
    cluster: Cluster,
    work: Work[Job, Result],
    jobs: Sequence[Job],
    scratch: Path,
    *,
    name: str,
    stopping: Callable[[], bool],
    on_again: Callable[[str], None],
) -> Generator[Result, None, None]:
    """Results as they come. Once ``stopping()`` is true no further job is begun; what runs is finished and handed out.

    ``name`` is that of a new folder in ``scratch``. ``on_again`` is called with the key of every job that was begun
    more than once.

    Raises:
        WorkerError: jobs came back without a result, again and again; all others are done.
        Exception: what a job raised; the jobs already running finish first.

    """
    left = {work.key(job): job for job in jobs}
    begun: Counter[str] = Counter()
    why: tuple[str, ...] = ()
    hint = ""
    for turn in range(ROUNDS):
        if not left or stopping():
            break
        # The second time each has a task of its own: one that kills its worker takes no other along.
        tasks = min(len(left), MAX_TASKS) if turn else _tasks(len(left), cluster.slots())
        spool = Spool.create(scratch / f"{name}-{turn}", work, list(left.values()), tasks)
        placed = cluster.place(spool, tasks)
        complete = False
        try:
            yield from _taken(spool, placed, work, left, stopping)
            complete = not left
        finally:
            hint = placed.hint()
            placed.close(complete=complete)
        why = spool.deaths()
        begun += spool.begun()
    for key in sorted(key for key, times in begun.items() if times > 1):
        on_again(key)
    if left and not stopping():
        raise _lost([work.source(job) for job in left.values()], why, hint)


def _tasks(jobs: int, slots: int | None) -> int:
    wanted = jobs if slots is None else slots * TASKS_PER_WORKER
    return max(1, min(jobs, wanted, MAX_TASKS))


def _taken(
    spool: Spool, placed: Placed, work: Work[Job, Result], left: dict[str, Job], stopping: Callable[[], bool]
) -> Iterator[Result]:
    """Results until all have come, or nothing runs any more. What a job raised is raised when the others are in."""
    failed: Exception | None = None
    withdrawn = False
    ended_at: float | None = None
    while left:
        came = False
        for key, told in spool.results(left if ended_at else ()):
            job = left.pop(key, None)
            if job is None:
                continue  # executed twice, and taken once
            came = True
            if "error" in told:
                failed = failed or revive(told["error"], work.source(job))
            else:
                yield work.decode(told["result"], spool.scratch)
        if (failed or stopping()) and not withdrawn:
            spool.stop()
            placed.withdraw()
            withdrawn = True
        if came:
            continue
        if withdrawn and not any(key in left for key in spool.begun()):
            break
        if placed.ended():
            ended_at = ended_at or time.monotonic()
            if time.monotonic() - ended_at > _SETTLE_SECONDS:
                break
        time.sleep(POLL_SECONDS)
    if failed is not None:
        raise failed


def _lost(sources: Sequence[str], why: Sequence[str], hint: str) -> WorkerError:
    more = f" (and {len(sources) - 1} more)" if len(sources) > 1 else ""
    how = f" ({', '.join(why)})" if why else ""
    return WorkerError(
        f"{sources[0]}{more}: its task ended {ROUNDS} times without a result{how}; everything else was done. Run the "
        f"same command again to go on, with more memory a task if that ran out; see {hint}"
    )
