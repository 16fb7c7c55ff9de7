"""Which executor works on the shards of a run, and the same call for each of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from phrasemill.engine.executors.cluster import Cluster, run_on
from phrasemill.engine.executors.ray_cluster import ray_cluster
from phrasemill.engine.executors.slurm_array import SlurmOptions, slurm_cluster
from phrasemill.engine.executors.work import Job, Result, Work
from phrasemill.engine.folder import LOGS
from phrasemill.engine.pool import run_jobs
from phrasemill.schemas.errors import ConfigError

ExecutorName = Literal["local", "ray", "slurm"]


@dataclass(slots=True)
class Executor:
    """Executes work of one run. A cluster is connected to at the first call, and left when the run ends.

    ``workers``: processes or tasks at once. ``scratch``: the run's own folder. ``again``: keys of jobs that a cluster
    began more than once.
    """

    name: ExecutorName
    workers: int | None
    slurm: SlurmOptions | None
    scratch: Path
    logs: Path
    stack: ExitStack
    again: list[str] = field(default_factory=list)
    cluster: Cluster | None = None

    def run(
        self, name: str, work: Work[Job, Result], jobs: Sequence[Job], *, workers: int, stopping: Callable[[], bool]
    ) -> Generator[Result, None, None]:
        """Results as they come; ``name`` is the same for no two calls of a run, ``workers`` counts for ``local``.

        Once ``stopping()`` is true no further job is begun. Errors are those of ``run_jobs`` and ``run_on``.
        """
        if self.name == "local" or not jobs:
            return run_jobs(work.run, jobs, workers=workers, stopping=stopping, source=work.source)
        if self.cluster is None:
            self.cluster = self._connect()
        return run_on(self.cluster, work, jobs, self.scratch, name=name, stopping=stopping, on_again=self.again.append)

    def _connect(self) -> Cluster:
        if self.name == "ray":
            return self.stack.enter_context(ray_cluster(self.workers, self.logs))
        if self.slurm is None:
            raise ConfigError("--executor slurm: got no partition, expected --slurm partition=NAME (sinfo lists them)")
        return self.stack.enter_context(slurm_cluster(self.slurm, self.workers, self.logs))


@contextmanager
def executor(
    name: ExecutorName, workers: int | None, slurm: SlurmOptions | None, out: Path, scratch: Path
) -> Iterator[Executor]:
    """The executor of a run. Logs of a cluster lie in the output folder, and stay where something failed."""
    logs = out / LOGS / f"{name}-{scratch.name}"
    with ExitStack() as stack:
        yield Executor(name, workers, slurm, scratch, logs, stack)
    shutil.rmtree(logs, ignore_errors=True)
    with suppress(OSError):  # not empty, or never there
        logs.parent.rmdir()
