"""The record of an output folder: one commit a shard, and the manifest that is compiled from them.

A commit record is the truth: a shard whose record exists is complete, whatever else lies in the folder.
"""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Annotated, Final, Literal

from blake3 import blake3
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from phrasemill import __version__
from phrasemill.engine.durable import make_folder, sync_folder
from phrasemill.schemas.errors import ConfigError, IntegrityError
from phrasemill.schemas.seals import BrokenSeal, seal, unseal
from phrasemill.schemas.tables import OUTCOMES

TABLES: Final[dict[str, str]] = {
    "sft": "data/sft",
    "preference": "data/preference",
    "queries": "data/queries",
    "spans": "evidence/spans",
    "originals": "evidence/originals",
    "verdicts": "evidence/verdicts",
    "generations": "evidence/generations",
    "quarantine": "quarantine",
}
"""Every published table and its folder under the output folder."""

PUBLISHED: Final = ("kept", "repaired", "regenerated")
"""Outcomes whose rows stand in the SFT data."""

MANIFEST_NAME: Final = "manifest.json"
COMMITS_NAME: Final = "_commits"

_TEMPORARY: Final = re.compile(r"\..+\.[0-9a-f]{32}\.tmp")

ShardKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,80}$")]


class Record(BaseModel):
    """A part of the manifest: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PlainFile(Record):
    """A file as it was written. ``path`` is relative to the output folder, with ``/``; ``blake3`` is hexadecimal."""

    path: str
    bytes: int = Field(ge=0)
    blake3: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts or "\0" in path:
            raise ValueError(f"got {path!r}, expected a path inside the output folder")
        return path


class FileRecord(PlainFile):
    """A part file of a shard."""

    rows: int = Field(ge=0)

    @property
    def table(self) -> str:
        """The table that the file is a part of; its folder says so."""
        folder = str(PurePosixPath(self.path).parent)
        return next((table for table, home in TABLES.items() if home == folder), "")


class CategoryCount(Record):
    """Hits of one category.

    ``rows``: rows with a hit that counts; ``spans``: hits that count; ``exempt``: hits that the text excuses;
    ``acted``: hits on which the policy acted; ``left``: hits that count and stand in published text.
    """

    rows: int = 0
    spans: int = 0
    exempt: int = 0
    acted: int = 0
    left: int = 0


class ShardCommit(Record):
    """What became of one shard. ``start``, ``stop``: its row groups, bytes or lines in the source, half-open.

    ``reasons``: why rows were not kept as they were. ``hits`` by category, ``rules``: hits that count, by rule id.
    ``pairs`` by kind, ``pairs_withheld`` by reason, ``requests`` by outcome, ``fingerprints`` by stage.
    """

    key: ShardKey
    source: str
    source_hash: str
    kind: str
    start: int = Field(ge=0)
    stop: int = Field(ge=0)
    rows_in: int = Field(ge=0)
    outcomes: dict[str, int]
    reasons: dict[str, int] = Field(default_factory=dict)
    hits: dict[str, CategoryCount] = Field(default_factory=dict)
    rules: dict[str, int] = Field(default_factory=dict)
    pairs: dict[str, int] = Field(default_factory=dict)
    pairs_withheld: dict[str, int] = Field(default_factory=dict)
    requests: dict[str, int] = Field(default_factory=dict)
    fingerprints: dict[str, str] = Field(default_factory=dict)
    files: tuple[FileRecord, ...] = ()

    def rows_of(self, table: str) -> int:
        """Rows of the shard's files of that table; 0 where it has none."""
        return sum(file.rows for file in self.files if file.table == table)

    @property
    def published(self) -> int:
        """Rows that were kept, repaired or regenerated."""
        return sum(self.outcomes.get(outcome, 0) for outcome in PUBLISHED)


class Manifest(Record):
    """The output folder as a whole. ``shards`` are in order of their keys.

    ``plan`` is the plan's identity, ``config`` the fingerprint of the resolved configuration; ``absent`` are keys of
    shards that are gone from the input and still published. ``beside`` are the files that belong to no shard.
    """

    format: Literal[1] = 1
    phrasemill: str = __version__
    command: Literal["scan", "clean", "run", "generate", "probe"]
    plan: str
    config: str
    limit: int | None = None
    head: int | None = None
    seed: int = 1
    shards: tuple[ShardCommit, ...] = ()
    absent: tuple[str, ...] = ()
    beside: tuple[PlainFile, ...] = ()

    @field_validator("shards")
    @classmethod
    def _in_order_once(cls, shards: tuple[ShardCommit, ...]) -> tuple[ShardCommit, ...]:
        keys = Counter(shard.key for shard in shards)
        if twice := [key for key, count in keys.items() if count > 1]:
            raise ValueError(f"got shard {twice[0]} more than once")
        return tuple(sorted(shards, key=lambda shard: shard.key))

    def files(self, table: str) -> tuple[FileRecord, ...]:
        """Return the table's files, in order of their shards."""
        return tuple(file for shard in self.shards for file in shard.files if file.table == table)


class Totals(Record):
    """Sums over all shards. ``rows``, ``bytes`` and ``files`` are by table; the rest is as in a shard's commit."""

    shards: int
    rows_in: int
    outcomes: dict[str, int]
    reasons: dict[str, int]
    hits: dict[str, CategoryCount]
    rules: dict[str, int]
    pairs: dict[str, int]
    pairs_withheld: dict[str, int]
    requests: dict[str, int]
    rows: dict[str, int]
    bytes: dict[str, int]
    files: dict[str, int]


def part_path(table: str, key: str) -> str:
    """Where the table's file of a shard is, relative to the output folder."""
    return f"{TABLES[table]}/part-{key}.parquet"


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file that is visible only as a whole, and still there after a power cut. Makes its folder.

    A process that is killed meanwhile leaves a file ``.NAME.HEX.tmp`` (``is_temporary``) beside it.
    """
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:  # whatever stopped the write, its half-written file goes
        with contextlib.suppress(OSError):  # the error that stopped the write is the one to tell
            temporary.unlink()
        raise
    sync_folder(path.parent)


def is_temporary(path: Path) -> bool:
    """Whether ``write_atomic`` gave the file its name, before it was whole."""
    return _TEMPORARY.fullmatch(path.name) is not None


def plain_record(root: Path, path: str) -> PlainFile:
    """The record of the file that lies at ``root / path``, from what is there."""
    return PlainFile(path=path, bytes=(root / path).stat().st_size, blake3=_checksum(root / path))


def is_whole(path: Path, record: PlainFile) -> bool:
    """Whether a published file is there, byte for byte as it was recorded."""
    if not path.is_file() or path.stat().st_size != record.bytes:
        return False
    return _checksum(path) == record.blake3


def _checksum(path: Path) -> str:
    return blake3(max_threads=blake3.AUTO).update_mmap(path).hexdigest()


def check_ledger(commit: ShardCommit) -> None:
    """Every row that was read ended exactly once.

    Raises:
        IntegrityError: an outcome is unknown, or the outcomes do not add up to ``rows_in``.

    """
    if unknown := sorted(set(commit.outcomes) - set(OUTCOMES)):
        known = ", ".join(OUTCOMES)
        raise IntegrityError(f"{commit.source}, shard {commit.key}: got the outcome {unknown[0]}, expected {known}")
    ended = sum(commit.outcomes.values())
    if ended != commit.rows_in or min(commit.outcomes.values(), default=0) < 0:
        counts = ", ".join(f"{name} {count}" for name, count in commit.outcomes.items()) or "no outcome"
        raise IntegrityError(
            f"{commit.source}, shard {commit.key}: {commit.rows_in} rows in, but {ended} ended ({counts})"
        )


def write_commit(out: Path, commit: ShardCommit) -> None:
    """Make a shard visible. Its files must be in place; the ledger is checked first (IntegrityError)."""
    check_ledger(commit)
    write_atomic(out / COMMITS_NAME / f"{commit.key}.json", _encode(commit))


def read_commits(out: Path) -> tuple[ShardCommit, ...]:
    """All commit records in order of their keys; none where the folder is new. A broken one: IntegrityError."""
    commits, broken = sound_commits(out)
    for key, why in sorted(broken.items()):
        path = out / COMMITS_NAME / f"{key}.json"
        raise IntegrityError(f"{path}: {why}; run the same command again, which does its shard anew")
    return commits


def sound_commits(out: Path) -> tuple[tuple[ShardCommit, ...], dict[str, str]]:
    """The commit records that are whole, in order of their keys, and what is wrong with the others, by file stem."""
    commits, broken = [], {}
    for path in sorted((out / COMMITS_NAME).glob("[!.]*.json")):
        try:
            commit = ShardCommit.model_validate(unseal(path.read_bytes())[0])
        except (OSError, BrokenSeal, ValidationError) as error:
            broken[path.stem] = f"is no commit record: {_first_line(error)}"
            continue
        if commit.key == path.stem:
            commits.append(commit)
        else:
            broken[path.stem] = f"got the record of shard {commit.key}, expected that of {path.stem}"
    return tuple(sorted(commits, key=lambda commit: commit.key)), broken


def write_manifest(out: Path, manifest: Manifest) -> None:
    """Write ``manifest.json``, after the ledger of every shard is checked (IntegrityError)."""
    for commit in manifest.shards:
        check_ledger(commit)
    write_atomic(out / MANIFEST_NAME, _encode(manifest))


def read_manifest(out: Path) -> Manifest:
    """Return the manifest of a finished output folder.

    Raises:
        ConfigError: the folder or its manifest is missing, or another version of the format wrote it.
        IntegrityError: the manifest is damaged.

    """
    path = out / MANIFEST_NAME
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        if (out / COMMITS_NAME).is_dir():
            raise ConfigError(f"{path}: not there yet: the run was stopped; run the same command again") from error
        raise ConfigError(f"{path}: not found; expected a folder that phrasemill has written") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        plain, _ = unseal(content)
    except BrokenSeal as error:
        raise IntegrityError(f"{path}: is damaged: {error}; run the same command again to compile it anew") from error
    version = plain.get("format")
    if isinstance(version, int) and version != 1:
        raise ConfigError(f"{path}: got format {version}, expected 1; phrasemill {__version__} cannot read it")
    try:
        return Manifest.model_validate(plain)
    except ValidationError as error:
        raise IntegrityError(f"{path}: is damaged: {_first_line(error)}; run the same command again") from error


def totals(manifest: Manifest) -> Totals:
    """Return the sums over all shards of the manifest, those absent from the input included; names in order."""
    shards = manifest.shards
    outcomes = _added(shard.outcomes for shard in shards)
    return Totals(
        shards=len(shards),
        rows_in=sum(shard.rows_in for shard in shards),
        outcomes={outcome: outcomes.get(outcome, 0) for outcome in OUTCOMES},
        reasons=_added(shard.reasons for shard in shards),
        hits=_added_hits(shards),
        rules=_added(shard.rules for shard in shards),
        pairs=_added(shard.pairs for shard in shards),
        pairs_withheld=_added(shard.pairs_withheld for shard in shards),
        requests=_added(shard.requests for shard in shards),
        rows={table: sum(file.rows for file in manifest.files(table)) for table in TABLES},
        bytes={table: sum(file.bytes for file in manifest.files(table)) for table in TABLES},
        files={table: len(manifest.files(table)) for table in TABLES},
    )


def _added(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return dict(sorted(total.items()))


def _added_hits(shards: Iterable[ShardCommit]) -> dict[str, CategoryCount]:
    total: dict[str, Counter[str]] = {}
    for shard in shards:
        for category, count in shard.hits.items():
            total.setdefault(category, Counter()).update(count.model_dump())
    return {category: CategoryCount(**total[category]) for category in sorted(total)}


def _encode(record: Record) -> bytes:
    return seal(record.model_dump(mode="json"))


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc'])) or 'the whole'}: {first['msg']}"
    return str(error)
