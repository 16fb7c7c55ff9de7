"""SIGKILL at every file-system step of a shard and at random moments; then the same command again.

``kills.py [--points N] [--trials N] [--seed N]`` prints one JSON line: for each kind of death how many there were, rows
lost and doubled, unreadable files, tables that differ from those of an undisturbed run, shards done again (the most of
one death), finished shards that were touched; and how two runs at once into one folder ended.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from clean_vs_copy import machine

sys.path.insert(0, str(Path(__file__).parents[1]))

from phrasemill.engine.cli import main as command_line
from tests.e2e.conftest import Project, Server
from tests.faults.scene import Scene, begun, finished, look, reader
from tests.faults.zygote import Child, Zygote

KINDS: Final = ("clean_step", "clean_torn", "clean_moment", "run_step", "run_torn", "run_moment", "workers_moment")
SHARE: Final = {"clean_step": 0.3, "run_step": 0.3, "clean_torn": 0.08, "run_torn": 0.06, "clean_moment": 0.08}
DELAY: Final = 0.03


class Deaths:
    """One kind of death after another, each in a folder of its own."""

    def __init__(self, scene: Scene, zygote: Zygote, seed: int) -> None:
        self.scene = scene
        self.zygote = zygote
        self.chance = random.Random(seed)
        self.references = {mode: scene.reference(mode) for mode in ("clean", "run")}
        self.counts: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
        self.spans: dict[str, float] = {}
        self._folders = 0

    def folder(self) -> Path:
        """A new output folder's name."""
        self._folders += 1
        return self.scene.project.root / f"out-{self._folders}"

    def start(self, command: list[str], **spec: Any) -> Child:
        """A command in a process."""
        (self.scene.project.root / "said.txt").unlink(missing_ok=True)
        return self.zygote.start(command, self.scene.project.root / "said.txt", **spec)

    def steps(self, mode: str) -> list[tuple[str, str]]:
        """The steps of an undisturbed run."""
        log = self.scene.project.root / "steps.json"
        assert self.start(self.scene.command(mode, self.folder()), log=str(log)).wait() == 0
        return [(name, path) for name, path in json.loads(log.read_text())]

    def span(self, mode: str, workers: int) -> float:
        """Seconds from the first step of an undisturbed run to its end."""
        child = self.start(self.scene.command(mode, self.folder(), workers))
        self.wait_for_first_step()
        began = time.monotonic()
        assert child.wait() == 0
        return time.monotonic() - began

    def wait_for_first_step(self) -> None:
        """Return when the command that was started last has begun to change its folder."""
        said = self.scene.project.root / "said.txt"
        until(lambda: said.exists() and said.read_bytes().startswith(b"!"))

    def at_step(self, kind: str, at: int) -> None:
        """Die before the ``at``-th step, or in the first write after it."""
        mode, how = kind.split("_")
        out = self.folder()
        command = self.scene.command(mode, out)
        code = self.start(command, how="tear" if how == "torn" else "kill", at=at).wait()
        if code in (-signal.SIGKILL, -signal.SIGXFSZ):
            self.judge(kind, mode, out, command)

    def at_moment(self, kind: str, *, workers: int = 1, group: bool = True) -> None:
        """Die at a random moment: the process, or with ``group`` its workers too. Somebody reads along."""
        mode = "run" if kind == "run_moment" else "clean"
        self.scene.project.server.delay = DELAY
        if kind not in self.spans:
            self.spans[kind] = self.span(mode, workers)
        out = self.folder()
        command = self.scene.command(mode, out, workers)
        child = self.start(command)
        with reader(out) as along:
            self.wait_for_first_step()
            time.sleep(self.spans[kind] * (1 - self.chance.random() ** 2))  # towards the end, where files are published
            with suppress(ProcessLookupError):
                (os.killpg if group else os.kill)(child.pid, signal.SIGKILL)
            code = child.wait()
        self.scene.project.server.delay = 0.0
        self.counts[kind]["read_along_files"] += along.files
        self.counts[kind]["unreadable"] += len(along.wrong)
        if code == -signal.SIGKILL:
            self.judge(kind, mode, out, command)
        with suppress(ProcessLookupError):  # workers that outlived their run have outlived the next one too
            os.killpg(child.pid, signal.SIGKILL)

    def judge(self, kind: str, mode: str, out: Path, command: list[str]) -> None:
        """Look at the wreck, run the same command again, and count what is wrong."""
        count = self.counts[kind]
        count["deaths"] += 1
        wreck = look(out)
        count["unreadable"] += len(wreck.wrong)
        count["visible_files"] += wreck.files
        count["most_redone"] = max(count["most_redone"], len(begun(out)))
        before = finished(out)
        sys.argv = ["phrasemill", *command[: command.index("--workers")], "--workers", "1", "--quiet"]
        count["not_resumed"] += command_line() != 0
        after = finished(out)
        count["touched"] += sum(after.get(path) != stamp for path, stamp in before.items())
        for name, number in self.scene.losses(out, self.references[mode]).items():
            count[name] += number

    def two_at_once(self) -> str:
        """Start a command twice; how it ended, as the two exit codes in order."""
        out = self.folder()
        command = self.scene.command("run", out)
        self.scene.project.server.delay = 0.2
        children = [self.start(command), self.start(command)]
        codes = sorted(child.wait() for child in children)
        self.scene.project.server.delay = 0.0
        wrong = self.scene.losses(out, self.references["run"])
        return " ".join(map(str, codes)) + (f" {dict(wrong)}" if wrong else "")


def until(what: Callable[[], bool]) -> None:
    """Wait; a deadline is there for a hang only."""
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def spread(life: range, points: int) -> Iterator[int]:
    """That many numbers out of the range, evenly; all of them where there are fewer."""
    yield from life if points >= len(life) else [life[at * len(life) // points] for at in range(points)]


def life_of(steps: list[tuple[str, str]], shard: int) -> range:
    """Numbers of the steps from one shard's commit to the next one's, and a few more."""
    commits = [at for at, (name, path) in enumerate(steps, 1) if name == "rename" and path.startswith("_commits/")]
    return range(commits[shard - 1] + 1, commits[shard] + 6)


def main() -> None:
    """Measure and print the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=300, help="deaths of all kinds together, about")
    parser.add_argument("--trials", type=int, default=100, help="two runs at once, so often")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    server = Server()
    with tempfile.TemporaryDirectory(prefix="phrasemill-bench-") as folder, Zygote() as zygote:
        scene = Scene(Project(Path(folder), server))
        scene.write()
        deaths = Deaths(scene, zygote, given.seed)
        for mode in ("clean", "run"):
            steps = deaths.steps(mode)
            whole = range(1, len(steps) + 1)
            life = life_of(steps, 1)
            points = int(given.points * SHARE[f"{mode}_step"])
            for at in sorted({*spread(life, points), *spread(whole, points)}):
                deaths.at_step(f"{mode}_step", at)
            for at in spread(whole, int(given.points * SHARE[f"{mode}_torn"])):
                deaths.at_step(f"{mode}_torn", at)
        for number in range(int(given.points * SHARE["clean_moment"])):
            deaths.at_moment("clean_moment", group=bool(number % 2))
            deaths.at_moment("run_moment", group=bool(number % 2))
        for number in range(given.points // 20):
            deaths.at_moment("workers_moment", workers=2, group=bool(number % 2))
        pairs = Counter(deaths.two_at_once() for _ in range(given.trials))
    server.http.shutdown()
    whole_count: Counter[str] = Counter()
    for count in deaths.counts.values():
        whole_count.update({name: number for name, number in count.items() if name != "most_redone"})
    print(
        json.dumps(
            {
                "benchmark": "kills",
                "machine": machine(),
                "all": dict(whole_count),
                "kinds": {kind: dict(count) for kind, count in deaths.counts.items()},
                "two_at_once": dict(pairs),
            }
        )
    )


if __name__ == "__main__":
    main()
