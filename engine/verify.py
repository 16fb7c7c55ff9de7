"""Whether an output folder is what its manifest says: files, counts, ledger and evidence, checked from disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from blake3 import blake3
from pydantic import BaseModel, ConfigDict

from phrasemill.engine.catalog import CATALOG_NAME, SCHEMAS
from phrasemill.engine.manifest import (
    COMMITS_NAME,
    TABLES,
    FileRecord,
    Manifest,
    ShardCommit,
    check_ledger,
    read_commits,
    read_manifest,
)
from phrasemill.engine.verify_evidence import Problem, check_evidence
from phrasemill.schemas.errors import IntegrityError

BESIDE: Final = (CATALOG_NAME, "config.yaml", "README.md")
"""Files without a checksum that a finished folder has."""


class VerifyReport(BaseModel):
    """What was checked, and every problem in order of shard and path."""

    model_config = ConfigDict(frozen=True)

    shards: int
    files: int
    bytes: int
    rows_in: int
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify(out: Path) -> VerifyReport:
    """Check everything that the manifest says against what is on disk, one shard at a time.

    Raises:
        ConfigError: there is no manifest. IntegrityError: the manifest itself is damaged.

    """
    manifest = read_manifest(out)
    problems = [*_folder_problems(out, manifest)]
    has_sft = bool(manifest.files("sft"))
    for commit in manifest.shards:
        found = [*_shard_problems(out, commit)]
        if not found:  # evidence can be judged only where every file of the shard is whole
            found = [*check_evidence(out, commit, has_sft)]
        problems += found
    files = [file for commit in manifest.shards for file in commit.files]
    return VerifyReport(
        shards=len(manifest.shards),
        files=len(files),
        bytes=sum(file.bytes for file in files),
        rows_in=sum(commit.rows_in for commit in manifest.shards),
        problems=tuple(sorted(problems, key=lambda problem: (problem.shard, problem.path))),
    )


def _folder_problems(out: Path, manifest: Manifest) -> Iterator[Problem]:
    """Find commit records that differ from the manifest, missing files, and files that it does not list."""
    try:
        commits = {commit.key: commit for commit in read_commits(out)}
    except IntegrityError as error:
        yield Problem(shard="", path=COMMITS_NAME, message=str(error))
    else:
        listed = {commit.key: commit for commit in manifest.shards}
        for key in sorted(listed.keys() | commits.keys()):
            if listed.get(key) != commits.get(key):
                message = "differs from the manifest" if key in listed and key in commits else "is in one of them only"
                yield Problem(
                    shard=key,
                    path=f"{COMMITS_NAME}/{key}.json",
                    message=f"the commit record {message}: the run was stopped, or a file was changed; run it again",
                )
    for name in BESIDE:
        if not (out / name).is_file():
            yield Problem(shard="", path=name, message="is missing")
    known = {file.path for commit in manifest.shards for file in commit.files}
    for folder in TABLES.values():
        for path in sorted((out / folder).rglob("*")):
            relative = path.relative_to(out).as_posix()
            if path.is_file() and relative not in known:
                yield Problem(shard="", path=relative, message="is not in the manifest: delete it")


def _shard_problems(out: Path, commit: ShardCommit) -> Iterator[Problem]:
    try:
        check_ledger(commit)
    except IntegrityError as error:
        yield Problem(shard=commit.key, path="", message=str(error))
    for file in commit.files:
        message = _file_problem(out, file)
        if message is not None:
            yield Problem(shard=commit.key, path=file.path, message=message)


def _file_problem(out: Path, file: FileRecord) -> str | None:
    """Say what is wrong with a file, in one sentence; None where it is as recorded."""
    path = out / file.path
    if file.table not in TABLES:
        return f"stands in no table's folder, expected one of {', '.join(TABLES.values())}"
    try:
        size = path.stat().st_size
        if size != file.bytes:
            return f"has {size} bytes, expected {file.bytes}"
        checksum = blake3().update_mmap(path).hexdigest()
        if checksum != file.blake3:
            return f"has the checksum {checksum[:16]}..., expected {file.blake3[:16]}...: its content was changed"
        with pq.ParquetFile(path) as parquet:
            rows, names = parquet.metadata.num_rows, set(parquet.schema_arrow.names)
    except FileNotFoundError:
        return "is missing"
    except (OSError, pa.ArrowException) as error:
        return f"cannot be read: {error}"
    if rows != file.rows:
        return f"has {rows} rows, expected {file.rows}"
    if lacking := sorted(set(SCHEMAS[file.table].names) - names):
        return f"lacks the columns {', '.join(lacking)}"
    return None
