"""The output folder: one writer at a time, files that become visible whole, and nothing left over.

Truth is in the commit records. What no record names was never published, and is swept when a run starts.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import orjson
from pydantic import ValidationError

from phrasemill.engine.manifest import COMMITS_NAME, TABLES, ShardCommit, read_commits, write_atomic, write_commit
from phrasemill.schemas.errors import ConfigError, LockedError

LOCK: Final = ".lock"
TEMPORARY: Final = "_tmp"
STAGED: Final = "_staged"
"""Shards whose rows wait for a model: all their tables but the final ones."""

REQUESTS: Final = "_requests.jsonl"
"""Every finished request of this folder, so that none is sent twice."""

LOGS: Final = "_logs"
"""Logs of servers that were started for this folder."""

_OURS: Final = frozenset({LOCK, STAGED, REQUESTS, COMMITS_NAME})


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Hold the folder for one run. The lock goes with the process, however it ends; LockedError names the holder."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / LOCK).open("a+b") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            holder = lock.read().decode(errors="replace").strip() or "unknown"
            raise LockedError(f"{out}: another run writes here (process {holder}); wait for it or stop it") from error
        lock.truncate(0)
        lock.write(f"{os.getpid()} on {os.uname().nodename}\n".encode())
        lock.flush()
        yield


def check_ours(out: Path) -> None:
    """A folder that is new, empty or ours; ConfigError names what a folder of somebody else's holds."""
    if not out.exists():
        return
    if not out.is_dir():
        raise ConfigError(f"{out}: is a file; expected a folder to write to")
    names = {path.name for path in out.iterdir()}
    if names and not names & _OURS:
        example = sorted(names)[0]
        raise ConfigError(f"{out}: is not empty and not an output of phrasemill (it holds {example!r}); name another")


def sweep(out: Path, commits: Sequence[ShardCommit]) -> None:
    """Remove what a stopped run left: temporary files, and part files that no commit record names."""
    shutil.rmtree(out / TEMPORARY, ignore_errors=True)
    known = {record.path for commit in commits for record in commit.files}
    for folder in TABLES.values():
        for path in (out / folder).glob("part-*.parquet"):
            if f"{folder}/{path.name}" not in known:
                path.unlink()


def publish_shard(out: Path, work: Path, commit: ShardCommit) -> None:
    """Move a shard's finished files from ``work`` to their places, then write its commit record."""
    for record in commit.files:
        final = out / record.path
        final.parent.mkdir(parents=True, exist_ok=True)
        (work / record.path).replace(final)
    for folder in sorted({(out / record.path).parent for record in commit.files}):
        sync_folder(folder)
    write_commit(out, commit)
    shutil.rmtree(work, ignore_errors=True)


def stage_shard(out: Path, work: Path, commit: ShardCommit) -> None:
    """Keep a shard whose rows wait for a model: its draft record is written last, and makes the stage complete."""
    for folder in sorted({(work / record.path).parent for record in commit.files}):
        sync_folder(folder)
    write_atomic(work / "stage.json", orjson.dumps(commit.model_dump(mode="json")))
    target = out / STAGED / commit.key
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    work.replace(target)
    sync_folder(target.parent)


def staged_shards(out: Path) -> dict[str, ShardCommit]:
    """Draft records of the staged shards, by key."""
    drafts = (path.parent / "stage.json" for path in (out / STAGED).glob("*/stage.json"))
    commits: dict[str, ShardCommit] = {}
    for path in sorted(drafts):
        # A draft that cannot be read is as good as none: the shard is judged again.
        with suppress(ValidationError):
            commits[path.parent.name] = ShardCommit.model_validate_json(path.read_bytes())
    return commits


def unpublish(out: Path, commit: ShardCommit) -> None:
    """Take a shard back: its record first, so that no record ever names a missing file."""
    (out / COMMITS_NAME / f"{commit.key}.json").unlink(missing_ok=True)
    for record in commit.files:
        (out / record.path).unlink(missing_ok=True)


def commits_by_key(out: Path) -> dict[str, ShardCommit]:
    """Commit records of the folder, by key."""
    return {commit.key: commit for commit in read_commits(out)}


def sync_folder(folder: Path) -> None:
    """Make renames inside a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
