"""Tasks on a Ray cluster, through datatrove's executor: it places them and tries again those whose node is lost.

The cluster is that of RAY_ADDRESS, else one that is started on this machine for the run. The folder to write must be
at the same path on every node.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from phrasemill.engine.executors.spool import Spool
from phrasemill.engine.executors.step import TaskStep
from phrasemill.schemas.errors import ConfigError, WorkerError

START_TRIES: Final = 3
"""Starts of a local cluster: it gives up by itself after half a minute, which a busy machine may need for its parts."""


@dataclass(frozen=True, slots=True)
class RayCluster:
    """A cluster that this process is connected to. ``workers`` tasks run at once, None: one a processor."""

    ray: ModuleType
    workers: int | None
    logs: Path

    def slots(self) -> int:
        """Tasks that run at once."""
        return self.workers or max(1, int(self.ray.cluster_resources().get("CPU", 1)))

    def place(self, spool: Spool, tasks: int) -> _Placed:
        """Hand the tasks to datatrove on a thread; it returns when Ray has nothing of them left to do."""
        from datatrove.executor.ray import RayPipelineExecutor

        executor = RayPipelineExecutor(
            pipeline=[TaskStep(str(spool.folder), 1)],
            tasks=tasks,
            workers=min(self.slots(), tasks),
            skip_completed=False,
            logging_dir=str(self.logs / spool.folder.name),
            mem_per_cpu_gb=0,
        )
        placed = _Placed(self.ray, self.logs)
        placed.start(executor)
        return placed


@dataclass(slots=True)
class _Placed:
    ray: ModuleType
    logs: Path
    failed: list[str] = field(default_factory=list)
    thread: threading.Thread | None = None

    def start(self, executor: Any) -> None:
        def run() -> None:
            try:
                executor.run()
            except Exception as error:  # Ray's and datatrove's: the driver finds results missing, and tells this
                self.failed.append(f"{type(error).__name__}: {error}".splitlines()[0])

        self.thread = threading.Thread(target=run, name="ray", daemon=True)
        self.thread.start()

    def ended(self) -> bool:
        return self.thread is None or not self.thread.is_alive()

    def withdraw(self) -> None:
        """Nothing: a task that is placed now sees that the spool is stopped."""

    def close(self, *, complete: bool) -> None:
        """Wait for datatrove to clean up after tasks that are done; others end with the connection."""
        if complete and self.thread is not None:
            self.thread.join(timeout=30)

    def hint(self) -> str:
        return "; ".join([*self.failed, str(self.logs)])


@contextmanager
def ray_cluster(workers: int | None, logs: Path) -> Iterator[RayCluster]:
    """Connect to the cluster, and leave it at the end: what it still does for this run ends with that.

    Raises:
        ConfigError: the extra is not installed.
        WorkerError: the cluster of RAY_ADDRESS does not answer.

    """
    try:
        # Before Ray is: it would otherwise say on every start that it reports its use.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import datatrove.executor.ray  # noqa: F401
        import ray
        from loguru import logger
    except ImportError as error:
        raise ConfigError(f"--executor ray: {error}; install the extra: pip install 'phrasemill[ray]'") from error
    logger.disable("datatrove")
    mine = not ray.is_initialized()
    if mine:
        _connect(ray, workers)
    try:
        yield RayCluster(ray, workers, logs)
    finally:
        if mine:
            ray.shutdown()


def _connect(ray: ModuleType, workers: int | None) -> None:
    address = os.environ.get("RAY_ADDRESS", "local")
    local = address == "local"
    start: dict[str, Any] = {"num_cpus": workers, "include_dashboard": False} if local else {}
    # Ray takes over signals, which tell a run to finish what it does.
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for left in reversed(range(START_TRIES if local else 1)):
            try:
                ray.init(address, log_to_driver=False, logging_level="CRITICAL", **start)
                return
            except Exception as error:  # Ray raises many kinds, and plain Exception for a start that took too long
                ray.shutdown()
                if not left:
                    said = (str(error) or type(error).__name__).splitlines()[0]
                    raise WorkerError(f"--executor ray: the cluster at {address} cannot be used: {said}") from error
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)
