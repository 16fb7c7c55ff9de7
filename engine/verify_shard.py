"""Whether the part files of one shard are what its commit record says, and whether its tables agree."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from blake3 import blake3

from phrasemill.engine.catalog import SCHEMAS
from phrasemill.engine.manifest import TABLES, FileRecord, PlainFile, ShardCommit, check_ledger, part_path
from phrasemill.engine.verify_evidence import Problem, check_evidence
from phrasemill.schemas.errors import IntegrityError


def shard_problems(out: Path, commit: ShardCommit, has_sft: bool, sampled: bool) -> tuple[Problem, ...]:
    """Find everything that is wrong with a shard; its tables are compared only where all its files are whole.

    ``has_sft``: published rows stand in ``data/sft``. ``sampled``: only some rows of the shard were read.
    """
    return whole_problems(out, commit) or tuple(check_evidence(out, commit, has_sft, sampled))


def whole_problems(out: Path, commit: ShardCommit) -> tuple[Problem, ...]:
    """Find what is wrong with the ledger and the part files, each by itself."""
    return tuple(_whole_problems(out, commit))


def plain_problem(out: Path, file: PlainFile) -> str | None:
    """Say what is wrong with the bytes of a file, in one sentence; None where they are as recorded."""
    path = out / file.path
    try:
        size = path.stat().st_size
        if size != file.bytes:
            return f"has {size} bytes, expected {file.bytes}"
        checksum = blake3(max_threads=blake3.AUTO).update_mmap(path).hexdigest()
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    if checksum != file.blake3:
        return f"has the checksum {checksum[:16]}..., expected {file.blake3[:16]}...: its content was changed"
    return None


def _whole_problems(out: Path, commit: ShardCommit) -> Iterator[Problem]:
    try:
        check_ledger(commit)
    except IntegrityError as error:
        yield Problem(shard=commit.key, path="", message=str(error))
    listed: set[str] = set()
    for file in commit.files:
        message = f"is listed twice for shard {commit.key}" if file.path in listed else _file_problem(out, commit, file)
        listed.add(file.path)
        if message is not None:
            yield Problem(shard=commit.key, path=file.path, message=message)


def _file_problem(out: Path, commit: ShardCommit, file: FileRecord) -> str | None:
    if file.table not in TABLES:
        return f"stands in no table's folder, expected one of {', '.join(TABLES.values())}"
    if file.path != part_path(file.table, commit.key):
        return f"is not the name of a file of shard {commit.key}, expected {part_path(file.table, commit.key)}"
    if (message := plain_problem(out, file)) is not None:
        return message
    try:
        with pq.ParquetFile(out / file.path) as parquet:
            rows, names = parquet.metadata.num_rows, set(parquet.schema_arrow.names)
    except (OSError, pa.ArrowException) as error:
        return f"cannot be read: {error}"
    if rows != file.rows:
        return f"has {rows} rows, expected {file.rows}"
    if lacking := sorted(set(SCHEMAS[file.table].names) - names):
        return f"lacks the columns {', '.join(lacking)}"
    return None
