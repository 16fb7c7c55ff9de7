"""Whether an output folder is what its records say: every file, count, ledger and piece of evidence, from disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from phrasemill.engine.judge_report import JUDGED_NAME
from phrasemill.engine.manifest import COMMITS_NAME, ShardCommit
from phrasemill.engine.progress import progress
from phrasemill.engine.verify_evidence import Problem, check_evidence
from phrasemill.engine.verify_folder import folder_notes, folder_problems, has_sft, read_known
from phrasemill.engine.verify_judged import judged_problems
from phrasemill.engine.verify_shard import whole_problems

_READERS: Final = 4
"""Shards whose files are hashed at a time: enough to keep a disk busy, and each hash uses all cores by itself."""


class VerifyReport(BaseModel):
    """What was checked, and every problem in order of shard and path. ``notes``: what could not be checked, and why."""

    model_config = ConfigDict(frozen=True)

    shards: int
    files: int
    bytes: int
    rows_in: int
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    @property
    def damaged(self) -> dict[str, tuple[str, ...]]:
        """What is wrong with each damaged shard, by key; problems of the folder as a whole are not in it."""
        found: dict[str, tuple[str, ...]] = {}
        for problem in self.problems:
            if problem.shard:
                found[problem.shard] = (*found.get(problem.shard, ()), f"{problem.path}: {problem.message}")
        return found


def verify(out: Path, *, show_progress: bool | None = False) -> VerifyReport:
    """Check everything that the records say against what is on disk. One shard's tables are in memory at a time.

    ``show_progress`` None: where stderr is a terminal.

    Raises:
        ConfigError: there is no manifest and no commit record, or another version of the format wrote them.

    """
    if (out / JUDGED_NAME).exists() and not (out / COMMITS_NAME).exists():
        return _judged(out)
    known = read_known(out)
    problems = [*folder_problems(out, known)]
    sft = has_sft(out, known)
    sampled = known.manifest is None or known.manifest.limit is not None
    files = [file for commit in known.shards for file in commit.files]
    with progress("verifying", sum(file.bytes for file in files), "bytes", enabled=show_progress) as advance:
        for commit, found in _hashed(known.shards, lambda commit: whole_problems(out, commit)):
            # Tables can be compared only where every file of the shard is whole.
            problems += found or check_evidence(out, commit, sft, sampled)
            advance(sum(file.bytes for file in commit.files))
    return VerifyReport(
        shards=len(known.shards),
        files=len(files),
        bytes=sum(file.bytes for file in files),
        rows_in=sum(commit.rows_in for commit in known.shards),
        problems=tuple(sorted(problems, key=lambda problem: (problem.shard, problem.path))),
        notes=tuple(folder_notes(out, known)),
    )


def _judged(out: Path) -> VerifyReport:
    """The report of a folder of ``judge run``, which has no shards."""
    report, problems = judged_problems(out)
    files = () if report is None else report.files
    return VerifyReport(
        shards=0,
        files=len(files),
        bytes=sum(file.bytes for file in files),
        rows_in=sum(file.rows for file in files),
        problems=problems,
    )


def _hashed(
    shards: Sequence[ShardCommit], check: Callable[[ShardCommit], tuple[Problem, ...]]
) -> Iterator[tuple[ShardCommit, tuple[Problem, ...]]]:
    """The shards in their order with what ``check`` finds, which runs a few shards ahead on threads."""
    with ThreadPoolExecutor(_READERS) as pool:
        ahead: deque[tuple[ShardCommit, Future[tuple[Problem, ...]]]] = deque()
        for commit in shards:
            ahead.append((commit, pool.submit(check, commit)))
            if len(ahead) > _READERS:
                first, found = ahead.popleft()
                yield first, found.result()
        while ahead:
            first, found = ahead.popleft()
            yield first, found.result()
