"""What is wrong with a folder as a whole: records, the files beside the shards, strangers, and the request log."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from phrasemill.engine.beside import ALWAYS, CONFIG_NAME, STATISTICS
from phrasemill.engine.folder import REQUESTS
from phrasemill.engine.manifest import (
    COMMITS_NAME,
    MANIFEST_NAME,
    TABLES,
    Manifest,
    ShardCommit,
    read_manifest,
    sound_commits,
)
from phrasemill.engine.verify_evidence import Problem
from phrasemill.engine.verify_shard import plain_problem
from phrasemill.generators.attempts import ATTEMPT_NAMES
from phrasemill.schemas.errors import ConfigError, IntegrityError
from phrasemill.schemas.seals import BrokenSeal, unseal, unseal_line

_AGAIN: Final = "run the same command again"
_CLOSED: Final = (*sorted({folder.partition("/")[0] for folder in TABLES.values()}), COMMITS_NAME, STATISTICS)
"""Folders in which nothing but what the records name may lie."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a folder says of itself. ``manifest`` None: there is none that can be read.

    ``commits``: the records that are whole, by key; ``broken``: what is wrong with the others, by key; ``problem``:
    what is wrong with the manifest.
    """

    manifest: Manifest | None
    commits: Mapping[str, ShardCommit]
    broken: Mapping[str, str]
    problem: str

    @property
    def shards(self) -> tuple[ShardCommit, ...]:
        """The shards to check: those of the manifest, and where there is none those of the commit records."""
        return tuple(self.commits.values()) if self.manifest is None else self.manifest.shards


def read_known(out: Path) -> Known:
    """Read manifest and commit records, damaged ones too.

    Raises:
        ConfigError: the folder has neither, or another version of the format wrote it.

    """
    manifest, problem = None, ""
    try:
        manifest = read_manifest(out)
    except IntegrityError as error:
        problem = str(error).removeprefix(f"{out / MANIFEST_NAME}: ")
    except ConfigError:
        if (out / MANIFEST_NAME).exists() or not (out / COMMITS_NAME).is_dir():
            raise
        problem = f"is missing: the run was stopped, or the file was taken away; {_AGAIN}"
    commits, broken = sound_commits(out)
    return Known(manifest, {commit.key: commit for commit in commits}, broken, problem)


def folder_problems(out: Path, known: Known) -> Iterator[Problem]:
    """Find what is wrong beside the shards' own files."""
    if known.problem:
        yield Problem(shard="", path=MANIFEST_NAME, message=known.problem)
    yield from _record_problems(known)
    yield from _beside_problems(out, known.manifest)
    yield from _strangers(out, known)
    yield from _twice(known)
    yield from log_problems(out)


def folder_notes(out: Path, known: Known) -> Iterator[str]:
    """Say what is no problem but limits what was checked."""
    if known.manifest is not None and not unseal((out / MANIFEST_NAME).read_bytes())[1]:
        yield (
            f"{MANIFEST_NAME} has no checksum of its own: an earlier version wrote it. The files beside the shards "
            f"were not checked; {_AGAIN}, which adds their checksums"
        )


def has_sft(out: Path, known: Known) -> bool:
    """Whether the rows that are published stand in SFT data."""
    if known.manifest is None or known.manifest.command == "scan":
        return any(commit.rows_of("sft") for commit in known.shards)
    try:
        config = yaml.safe_load((out / CONFIG_NAME).read_text("utf-8"))
        return bool(config.get("output", {}).get("sft", True))
    except (OSError, ValueError, AttributeError, yaml.YAMLError):  # a problem of its own, told with the file
        return any(commit.rows_of("sft") for commit in known.shards)


def _record_problems(known: Known) -> Iterator[Problem]:
    for key, why in known.broken.items():
        message = f"{why}; {_AGAIN}, which restores it or does its shard anew"
        yield Problem(shard=key, path=f"{COMMITS_NAME}/{key}.json", message=message)
    if known.manifest is None:
        return
    listed = {commit.key: commit for commit in known.manifest.shards}
    for key in sorted((listed.keys() | known.commits.keys()) - known.broken.keys()):
        if listed.get(key) != known.commits.get(key):
            both = key in listed and key in known.commits
            message = "differs from the manifest" if both else "is in one of them only"
            yield Problem(
                shard=key,
                path=f"{COMMITS_NAME}/{key}.json",
                message=f"the commit record {message}: the run was stopped, or a file was changed; {_AGAIN}",
            )


def _beside_problems(out: Path, manifest: Manifest | None) -> Iterator[Problem]:
    listed = {} if manifest is None else {file.path: file for file in manifest.beside}
    for name in sorted({*ALWAYS, *listed}):
        if name in listed:
            message = plain_problem(out, listed[name])
        else:
            message = None if (out / name).is_file() else "is missing"
        if message is not None:
            yield Problem(shard="", path=name, message=f"{message}; {_AGAIN}, which writes it anew")


def _strangers(out: Path, known: Known) -> Iterator[Problem]:
    """Files that no record names, in folders where readers take every file for data."""
    named = {f"{COMMITS_NAME}/{key}.json" for key in (*known.commits, *known.broken)}
    for commit in (*known.shards, *known.commits.values()):
        named.update(file.path for file in commit.files)
    if known.manifest is not None:
        named.update(file.path for file in known.manifest.beside)
    for folder in _CLOSED:
        if folder == STATISTICS and (known.manifest is None or not known.manifest.beside):
            continue  # an earlier version did not name them
        for path in sorted((out / folder).rglob("*")):
            relative = path.relative_to(out).as_posix()
            if not path.is_dir() and relative not in named:
                yield Problem(shard="", path=relative, message="is not in the manifest: delete it")


def _twice(known: Known) -> Iterator[Problem]:
    """Shards of one input file that share rows."""
    absent = set() if known.manifest is None else set(known.manifest.absent)
    read = [shard for shard in known.shards if shard.kind not in ("generated", "mix") and shard.key not in absent]
    read.sort(key=lambda shard: (shard.source, shard.source_hash, shard.start, shard.stop))
    for before, after in itertools.pairwise(read):
        same = (before.source, before.source_hash) == (after.source, after.source_hash)
        if same and after.start < before.stop:
            message = f"holds rows of {after.source} that shard {before.key} holds too: the same rows are there twice"
            yield Problem(shard=after.key, path=f"{COMMITS_NAME}/{after.key}.json", message=message)


def log_problems(out: Path) -> Iterator[Problem]:
    """Find lines of the request log that are not as they were written."""
    lines = [number for number, _, whole in log_lines(out / REQUESTS) if not whole]
    if lines:
        first = ", ".join(map(str, lines[:3])) + ", ..." * (len(lines) > 3)
        message = f"has {len(lines)} damaged lines ({first}), which answer no request; {_AGAIN}, which takes them out"
        yield Problem(shard="", path=REQUESTS, message=message)


def log_lines(path: Path) -> Iterator[tuple[int, bytes, bool]]:
    """The lines of a request log with their numbers, from 1, and whether each is as it was written.

    None where there is no log.
    """
    if not path.is_file():
        return
    with path.open("rb") as log:
        for number, line in enumerate(log, start=1):
            try:
                unseal_line(line, ATTEMPT_NAMES)
            except BrokenSeal:
                yield number, line, False
            else:
                yield number, line, line.endswith(b"\n")
