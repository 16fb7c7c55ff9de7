"""Tasks as a Slurm array, through datatrove's executor: it writes the batch script and hands it to sbatch."""

from __future__ import annotations

import math
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from phrasemill.engine.executors.spool import Spool
from phrasemill.engine.executors.step import TaskStep
from phrasemill.schemas.errors import ConfigError, WorkerError

QUEUE_SECONDS: Final = 5.0
"""Between two questions to the queue."""

_LINGER_SECONDS: Final = 60.0
"""How long tasks whose results are all taken may take to end by themselves."""

_COMMAND_SECONDS: Final = 60.0
_GONE: Final = "Invalid job id"
_TIME: Final = re.compile(r"(\d+-)?\d+(:\d+){0,2}")


@dataclass(frozen=True, slots=True)
class SlurmOptions:
    """What a task asks of Slurm. ``time`` as sbatch takes it, ``memory`` in GiB, ``setup``: a command to run first.

    Everything else: sbatch's own variables, as SBATCH_ACCOUNT or SBATCH_QOS.
    """

    partition: str
    time: str = "04:00:00"
    cpus: int = 1
    memory: int = 4
    setup: str = ""


def slurm_options(pairs: Sequence[str]) -> SlurmOptions:
    """The options in ``KEY=VALUE`` pairs. ConfigError where a key, or a value, is none."""
    given: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or key not in SlurmOptions.__dataclass_fields__:
            raise ConfigError(f"--slurm {pair}: got {key!r}, expected KEY=VALUE with one of {_keys()}")
        given[key] = _number(key, value) if key in ("cpus", "memory") else value
    if not given.get("partition"):
        raise ConfigError("--executor slurm: got no partition, expected --slurm partition=NAME (sinfo lists them)")
    options = SlurmOptions(**given)
    if not _TIME.fullmatch(options.time):
        raise ConfigError(f"--slurm time={options.time}: expected minutes, HH:MM:SS or D-HH:MM:SS")
    if re.search(r"[^\w.,-]", options.partition):
        raise ConfigError(f"--slurm partition={options.partition}: expected a name, or several with commas")
    if "\n" in options.setup:
        raise ConfigError("--slurm setup: got several lines, expected one shell command")
    return options


def _keys() -> str:
    return ", ".join(SlurmOptions.__dataclass_fields__)


def _number(key: str, value: str) -> int:
    if not value.isdecimal() or not int(value):
        raise ConfigError(f"--slurm {key}={value}: expected a whole number above 0")
    return int(value)


@dataclass(frozen=True, slots=True)
class SlurmCluster:
    """A Slurm cluster that this machine submits to. ``workers`` tasks run at once, None: as many as Slurm lets."""

    options: SlurmOptions
    workers: int | None
    logs: Path

    def slots(self) -> int | None:
        """Tasks that run at once."""
        return self.workers

    def place(self, spool: Spool, tasks: int) -> _Placed:
        """Submit the tasks as one array."""
        from phrasemill.engine.executors.slurm_executor import ArrayExecutor

        asked = self.options
        here = f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"
        executor = ArrayExecutor(
            pipeline=[TaskStep(str(spool.folder), asked.cpus)],
            tasks=tasks,
            time=asked.time,
            partition=asked.partition,
            cpus_per_task=asked.cpus,
            mem_per_cpu_gb=math.ceil(asked.memory / asked.cpus),
            workers=-1 if self.workers is None else self.workers,
            job_name="phrasemill",
            qos="",
            env_command=f"{here}; {asked.setup}" if asked.setup else here,
            sbatch_args={"chdir": "/"},
            max_array_size=tasks,
            logging_dir=str(self.logs / spool.folder.name),
            skip_completed=False,
        )
        try:
            with _outside():
                executor.launch_job()
        except (subprocess.CalledProcessError, OSError) as error:
            raise WorkerError(f"--executor slurm: sbatch failed ({error}); what was finished is kept") from error
        return _Placed(str(executor.job_id), self.logs)


@dataclass(slots=True)
class _Placed:
    job: str
    logs: Path
    asked: float = field(default=0.0)
    over: bool = False

    def ended(self) -> bool:
        """Whether the queue knows no task of the array; a queue that does not answer is asked again."""
        if not self.over and time.monotonic() - self.asked > QUEUE_SECONDS:
            self.asked = time.monotonic()
            said = _command("squeue", "--noheader", f"--jobs={self.job}", "--format=%i")
            self.over = said is not None and (_GONE in said.stderr or (not said.returncode and not said.stdout.strip()))
        return self.over

    def withdraw(self) -> None:
        """Take back what waits; what runs ends after its job."""
        _command("scancel", "--state=PENDING", self.job)

    def close(self, *, complete: bool) -> None:
        if not complete:
            _command("scancel", self.job)
        until = time.monotonic() + _LINGER_SECONDS
        while complete and not self.ended() and time.monotonic() < until:
            time.sleep(0.5)

    def hint(self) -> str:
        return str(self.logs)


@contextmanager
def slurm_cluster(options: SlurmOptions, workers: int | None, logs: Path) -> Iterator[SlurmCluster]:
    """The cluster, where its commands and datatrove are there (ConfigError)."""
    try:
        import phrasemill.engine.executors.slurm_executor  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"--executor slurm: {error}; install the extra: pip install 'phrasemill[datatrove]'"
        ) from error
    for name in ("sbatch", "squeue", "scancel"):
        if shutil.which(name) is None:
            raise ConfigError(f"--executor slurm: {name} is not there; run on a machine that submits to Slurm")
    yield SlurmCluster(options, workers, logs)


@contextmanager
def _outside() -> Iterator[None]:
    """No variables of a Slurm job in which this process may run itself: they would bind the tasks to its resources."""
    inside = {name: value for name, value in os.environ.items() if name.startswith("SLURM_") and name != "SLURM_CONF"}
    for name in inside:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(inside)


def _command(*command: str) -> subprocess.CompletedProcess[str] | None:
    """What a command of Slurm said; None where it did not answer."""
    environment: Mapping[str, str] = {**os.environ, "LC_ALL": "C"}
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=_COMMAND_SECONDS, env=environment)
    except (OSError, subprocess.TimeoutExpired):
        return None
