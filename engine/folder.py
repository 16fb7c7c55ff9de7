"""The output folder: one writer at a time, files that become visible whole, and nothing left over.

Truth is in the commit records. What no record names was never published, and is swept when a run starts.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from pydantic import ValidationError

from phrasemill.engine.card import CARD_NAME
from phrasemill.engine.catalog import CATALOG_NAME
from phrasemill.engine.durable import make_folder, sync_folder, sync_tree, told_as_output
from phrasemill.engine.inside import refuse_links
from phrasemill.engine.manifest import (
    COMMITS_NAME,
    MANIFEST_NAME,
    TABLES,
    PlainFile,
    Record,
    ShardCommit,
    is_temporary,
    is_whole,
    plain_record,
    read_commits,
    write_atomic,
    write_commit,
)
from phrasemill.schemas.errors import ConfigError, LockedError
from phrasemill.schemas.seals import BrokenSeal, seal, unseal

LOCK: Final = ".lock"
TEMPORARY: Final = "_tmp"
STAGED: Final = "_staged"
"""Shards whose rows wait for a model: all their tables but the final ones."""

REQUESTS: Final = "_requests.jsonl"
"""Every finished request of this folder, so that none is sent twice."""

LOGS: Final = "_logs"
"""Logs of servers that were started for this folder."""

_OURS: Final = frozenset({LOCK, STAGED, REQUESTS, COMMITS_NAME})
_DRAFT: Final = "stage.json"
_HELD: Final = frozenset({errno.EWOULDBLOCK, errno.EACCES})


class _Draft(Record):
    """What makes a stage complete: the record as far as it goes, and every file that it does not name."""

    commit: ShardCommit
    beside: tuple[PlainFile, ...]


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Hold the folder for one run. The lock goes with the process, however it ends, and no child inherits it.

    Raises:
        LockedError: another run holds it; the message names process and host.
        ConfigError: the file system knows no locks, or a part of the folder is a link to another place.
        OutputError: the file system failed inside the block, in this folder.

    """
    refuse_links(out)
    with told_as_output(out):
        make_folder(out)
        with (out / LOCK).open("a+b") as lock:
            _take(lock, out)
            lock.truncate(0)
            lock.write(f"{os.getpid()} on {os.uname().nodename}\n".encode())
            lock.flush()
            try:
                yield
            finally:  # not left to the close: a child that is just being started still has the file open until it execs
                fcntl.flock(lock, fcntl.LOCK_UN)


def _take(lock: IO[bytes], out: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _HELD:
            raise ConfigError(
                f"{out}: cannot be locked: {error.strerror}; without a lock two runs could write at once: choose a "
                "folder on a file system with locks"
            ) from error
        lock.seek(0)
        holder = lock.read().decode(errors="replace").strip() or "unknown"
        raise LockedError(f"{out}: another run writes here (process {holder}); wait for it or stop it") from error


def check_ours(out: Path) -> None:
    """A folder that is new, empty or ours; ConfigError names what a folder of somebody else's holds."""
    if {"s3:", "gs:", "az:"} & set(out.parts):  # a path has lost the second slash of an address
        raise ConfigError(f"{out}: is no folder; only run, scan and clean write to an object store")
    if not out.exists():
        return
    if not out.is_dir():
        raise ConfigError(f"{out}: is a file; expected a folder to write to")
    names = {path.name for path in out.iterdir()}
    if names and not names & _OURS:
        example = sorted(names)[0]
        raise ConfigError(f"{out}: is not empty and not an output of phrasemill (it holds {example!r}); name another")


def sweep(out: Path, commits: Sequence[ShardCommit]) -> None:
    """Remove what a stopped run left: temporary files, broken stages, and part files that no commit record names."""
    shutil.rmtree(out / TEMPORARY, ignore_errors=True)
    for folder in (out, out / COMMITS_NAME):
        for path in folder.glob(".*.tmp"):
            if is_temporary(path):
                path.unlink()
    whole = staged_shards(out)
    for path in (out / STAGED).glob("*"):
        if path.name not in whole:
            drop_staged(out, path.name)
    known = {record.path for commit in commits for record in commit.files}
    for folder_name in TABLES.values():
        for path in (out / folder_name).glob("part-*.parquet"):
            if f"{folder_name}/{path.name}" not in known:
                path.unlink()


def fresh_work(out: Path, key: str) -> Path:
    """A place for a shard's files that nobody else writes to.

    A worker that outlives its run may still be writing to its own; one place a shard would be written by both.
    """
    return out / TEMPORARY / f"{key}.{uuid.uuid4().hex}"


def publish_shard(out: Path, work: Path, commit: ShardCommit) -> None:
    """Move a shard's finished files from ``work`` to their places, then write its commit record."""
    folders = sorted({(out / record.path).parent for record in commit.files})
    for folder in folders:
        make_folder(folder)
    for record in commit.files:
        (work / record.path).replace(out / record.path)
    for folder in folders:
        sync_folder(folder)
    write_commit(out, commit)
    shutil.rmtree(work, ignore_errors=True)


def stage_shard(out: Path, work: Path, commit: ShardCommit) -> None:
    """Keep a shard whose rows wait for a model: its draft record is written last, and makes the stage complete."""
    sync_tree(work)
    named = {record.path for record in commit.files}
    paths = (path.relative_to(work).as_posix() for path in sorted(work.rglob("*.parquet")))
    beside = tuple(plain_record(work, path) for path in paths if path not in named)
    draft = _Draft(commit=commit, beside=beside)
    write_atomic(work / _DRAFT, seal(draft.model_dump(mode="json")))
    drop_staged(out, commit.key)
    make_folder(out / STAGED)
    work.replace(out / STAGED / commit.key)
    sync_folder(out / STAGED)


def staged_shards(out: Path) -> dict[str, ShardCommit]:
    """Draft records of the staged shards, by key, in order of their keys.

    A draft that cannot be read, or one of whose files is not as it was, is as good as none: the shard is judged again.
    """
    commits: dict[str, ShardCommit] = {}
    for path in sorted((out / STAGED).glob(f"*/{_DRAFT}")):
        with suppress(BrokenSeal, ValidationError):
            draft = _Draft.model_validate(unseal(path.read_bytes())[0])
            files = (*draft.commit.files, *draft.beside)
            if draft.commit.key == path.parent.name and all(is_whole(path.parent / each.path, each) for each in files):
                commits[draft.commit.key] = draft.commit
    return commits


def drop_staged(out: Path, key: str) -> None:
    """Remove a staged shard: its draft first, so that no half of it is ever taken for the whole."""
    folder = out / STAGED / key
    if folder.is_dir():
        (folder / _DRAFT).unlink(missing_ok=True)
        sync_folder(folder)
        shutil.rmtree(folder)


def unpublish(out: Path, commit: ShardCommit) -> None:
    """Take a shard back: what names it goes before its files do, so that nothing ever names a missing file.

    Manifest, catalog and card go too; they are compiled anew when the run ends.
    """
    for name in (MANIFEST_NAME, CATALOG_NAME, CARD_NAME):
        (out / name).unlink(missing_ok=True)
    sync_folder(out)
    (out / COMMITS_NAME / f"{commit.key}.json").unlink(missing_ok=True)
    if (out / COMMITS_NAME).is_dir():
        sync_folder(out / COMMITS_NAME)
    for record in commit.files:
        (out / record.path).unlink(missing_ok=True)


def commits_by_key(out: Path) -> dict[str, ShardCommit]:
    """Commit records of the folder, by key."""
    return {commit.key: commit for commit in read_commits(out)}
