"""The folder through which a driver and its tasks on other machines speak: jobs out, results back, each file whole.

    tasks/00000        what a task does: the work and its jobs, pickled
    begun/KEY.TOKEN    an execution of a job was begun
    results/KEY        how it ended, as JSON; moved to done/ once the driver has taken it
    deaths/00000.TOKEN how the process of a task ended, where it did not end well
    stop               no job is to be begun any more

Nothing that a task writes is unpickled: results are JSON, and what they name stays inside the run's own folder.
"""

from __future__ import annotations

import os
import pickle
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from phrasemill.engine.executors.work import Job, Result, Work
from phrasemill.engine.manifest import write_atomic

_FOLDERS: Final = ("tasks", "begun", "results", "done", "deaths")


class Spool:
    """One such folder. ``scratch`` is the run's own folder, in which it lies."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scratch = folder.parent

    @classmethod
    def create(cls, folder: Path, work: Work[Job, Result], jobs: Sequence[Job], tasks: int) -> Spool:
        """A new folder with the jobs dealt out to so many tasks in turn."""
        for name in _FOLDERS:
            (folder / name).mkdir(parents=True)
        for rank in range(tasks):
            write_atomic(folder / "tasks" / f"{rank:05d}", pickle.dumps((work, list(jobs[rank::tasks]))))
        return cls(folder)

    def task(self, rank: int) -> tuple[Work[Any, Any], list[Any]]:
        """What a task does. The file is the driver's own: it lies in a folder that the driver has just made."""
        work, jobs = pickle.loads((self.folder / "tasks" / f"{rank:05d}").read_bytes())
        return work, jobs

    def begin(self, key: str) -> None:
        """Note that a job is executed, and by whom."""
        path = self.folder / "begun" / f"{key}.{secrets.token_hex(6)}"
        path.write_text(f"{os.getpid()} {os.uname().nodename}\n")

    def begun(self) -> Counter[str]:
        """How often each job was begun."""
        return Counter(name.rpartition(".")[0] for name in os.listdir(self.folder / "begun"))

    def finish(self, key: str, told: dict[str, Any]) -> None:
        """Leave the result of a job; where there is one already, the later one counts."""
        write_atomic(self.folder / "results" / key, orjson.dumps(told))

    def finished(self, key: str) -> bool:
        """Whether a job has a result, taken or not."""
        return (self.folder / "results" / key).exists() or (self.folder / "done" / key).exists()

    def results(self, named: Iterable[str] = ()) -> Iterator[tuple[str, dict[str, Any]]]:
        """Results that were not taken yet; each is taken as it is handed out.

        ``named``: jobs that are looked up by name too, as a network file system may list a folder as it was a minute
        ago, but asks its server for a name that it does not know.
        """
        found = {key for key in named if (self.folder / "results" / key).exists()}
        for name in sorted(found.union(os.listdir(self.folder / "results"))):
            if not name.startswith("."):
                path = self.folder / "results" / name
                told = orjson.loads(path.read_bytes())
                path.replace(self.folder / "done" / name)
                yield name, told

    def died(self, rank: int, why: str) -> None:
        """Note how the process of a task ended."""
        (self.folder / "deaths" / f"{rank:05d}.{secrets.token_hex(6)}").write_text(why)

    def deaths(self) -> tuple[str, ...]:
        """How processes of tasks ended, each way once."""
        return tuple(sorted({path.read_text() for path in (self.folder / "deaths").iterdir()}))

    def stop(self) -> None:
        """Let no job be begun any more."""
        (self.folder / "stop").touch()

    @property
    def stopped(self) -> bool:
        """Whether no job may be begun."""
        return (self.folder / "stop").exists()
