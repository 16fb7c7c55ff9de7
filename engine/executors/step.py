"""The one step of a datatrove pipeline: each rank is a task of a spool, in a fresh process.

Nothing heavy is imported here: Ray forks its worker to execute a rank, and a fork of a process in which Arrow or
polars run threads can hang.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

THREADS: Final = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS")
"""Variables that say how many threads polars, Arrow and the checksums start; read when they are imported."""

_MODULE: Final = "phrasemill.engine.executors.task"
_PARENT_SECONDS: Final = 1.0


@dataclass(frozen=True)
class TaskStep:
    """Executes the task ``rank`` of the spool in ``folder`` with ``threads`` threads, wherever it is called."""

    folder: str
    threads: int

    def __call__(self, data: object = None, rank: int = 0, world_size: int = 1) -> None:
        """Do the task; RuntimeError where its process ended badly. Takes and gives no documents."""
        del data, world_size
        # -P and the folder: neither the modules nor the paths of a task depend on where somebody stood.
        command = [sys.executable, "-P", "-m", _MODULE, self.folder, str(rank), str(os.getpid())]
        environment = {**os.environ, **thread_limits(self.threads)}
        parent = os.getppid()
        with subprocess.Popen(
            command, cwd="/", env=environment, stdin=subprocess.DEVNULL, start_new_session=True
        ) as process:
            try:
                status = _wait(process, parent)
            finally:
                process.kill()
        if status:
            why = f"signal {-status}" if status < 0 else f"exit status {status}"
            (Path(self.folder) / "deaths" / f"{rank:05d}.{secrets.token_hex(6)}").write_text(why)
            raise RuntimeError(f"task {rank} of {self.folder} ended with {why}")


def thread_limits(threads: int = 1) -> dict[str, str]:
    """The environment in which a worker process uses so many threads."""
    return dict.fromkeys(THREADS, str(threads))


def _wait(process: subprocess.Popen[bytes], parent: int) -> int:
    """The exit status; a process whose grandparent is gone is of no use any more."""
    while True:
        try:
            return process.wait(_PARENT_SECONDS)
        except subprocess.TimeoutExpired:
            if os.getppid() != parent:
                process.kill()
