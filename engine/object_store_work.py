"""The local work folder of a run into an object store: an output folder that takes over what the store holds."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from blake3 import blake3
from pydantic import ValidationError

from phrasemill.engine.beside import CONFIG_NAME, STATISTICS
from phrasemill.engine.folder import REQUESTS, check_ours, locked, unpublish
from phrasemill.engine.frozen_schema import SCHEMA_NAME
from phrasemill.engine.manifest import (
    TABLES,
    PlainFile,
    Record,
    ShardCommit,
    is_whole,
    sound_commits,
    write_atomic,
    write_commit,
)
from phrasemill.engine.object_store_manifest import StoreManifest, Writer, folder_name, in_folder, read_newest
from phrasemill.engine.object_store_requests import PIECES, bring_log
from phrasemill.schemas.errors import ConfigError, IntegrityError
from phrasemill.schemas.seals import BrokenSeal, seal, unseal

if TYPE_CHECKING:
    from phrasemill.engine.object_store import ObjectStore

MARK: Final = "_store.json"


class _Mark(Record):
    """Which store a work folder belongs to, and the folder's own id, which stands in the manifests it publishes."""

    url: str
    work: str


@dataclass(frozen=True, slots=True)
class Adopted:
    """What was found in the store. ``shards``: the records, as in the store, whose objects are all there."""

    newest: StoreManifest | None
    shards: dict[str, ShardCommit]
    requests: tuple[PlainFile, ...]
    writer: Writer


def default_work(url: str) -> Path:
    """The work folder of an address where none is named, in the user's cache folder."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "phrasemill" / "stores" / blake3(url.encode()).hexdigest()[:16]


def adopt(store: ObjectStore, work: Path) -> Adopted:
    """Bring the work folder to the state of the store: its records, its configuration, its log of requests.

    Files of tables are not fetched. What this folder finished and did not publish yet stays, unless another folder has
    published since: then the store is right, and what it does not name is done again. A shard with an object that is
    missing or of another size is done again too, or uploaded again where its files are here.

    Raises:
        ConfigError: the folder belongs to something else. LockedError: another run works there.
        IntegrityError: the newest manifest is damaged.

    """
    check_ours(work)
    with locked(work):
        mark = _mark(store, work)
        newest = read_newest(store)
        write_atomic(work / MARK, seal(mark.model_dump(mode="json")))
        writer = Writer(work=mark.work, run=uuid.uuid4().hex, host=os.uname().nodename, pid=os.getpid())
        if newest is None:
            return Adopted(None, {}, (), writer)
        shards = _whole_shards(store, newest)
        ours = newest.writer.work == mark.work
        _take_records(work, newest, shards, ours=ours)
        _take_files(store, work, newest, ours=ours)
        return Adopted(newest, shards, bring_log(store, _whole_pieces(store, newest), work / REQUESTS), writer)


def restored(work: Path) -> list[str]:
    """Names of the files in a work folder, beside the tables, without which another machine could not go on."""
    statistics = sorted(path.name for path in (work / STATISTICS).glob("*.parquet"))
    names = [CONFIG_NAME, SCHEMA_NAME, *(f"{STATISTICS}/{name}" for name in statistics)]
    return [name for name in names if (work / name).is_file()]


def _mark(store: ObjectStore, work: Path) -> _Mark:
    path = work / MARK
    if path.exists():
        try:
            mark = _Mark.model_validate(unseal(path.read_bytes())[0])
        except (BrokenSeal, ValidationError) as error:
            raise IntegrityError(f"{path}: is damaged; name another --work folder") from error
        if mark.url != store.url:
            raise ConfigError(f"{work}: is the work folder of {mark.url}, not of {store.url}; name another --work")
        return mark
    if sound_commits(work)[0]:
        raise ConfigError(f"{work}: holds the output of another run; name an empty --work folder")
    return _Mark(url=store.url, work=uuid.uuid4().hex)


def _whole_shards(store: ObjectStore, newest: StoreManifest) -> dict[str, ShardCommit]:
    """Shards all of whose objects are there in their size."""
    sizes: dict[str, int] = {}
    for folder in sorted({home.partition("/")[0] for home in TABLES.values()}):
        sizes |= store.names(folder)
    return {
        shard.key: shard for shard in newest.shards if all(sizes.get(file.path) == file.bytes for file in shard.files)
    }


def _whole_pieces(store: ObjectStore, newest: StoreManifest) -> tuple[PlainFile, ...]:
    """The pieces of the log up to the first that is not there in its size; later ones are sent again with it."""
    sizes = store.names(PIECES)
    return tuple(takewhile(lambda piece: sizes.get(piece.path) == piece.bytes, newest.requests))


def _take_records(work: Path, newest: StoreManifest, shards: Mapping[str, ShardCommit], *, ours: bool) -> None:
    known = {commit.key: commit for commit in sound_commits(work)[0]}
    published = {shard.key: in_folder(shard) for shard in newest.shards}
    for key, commit in known.items():
        stale = not ours and _result(commit) != _result(published.get(key))
        if stale or (key not in shards and not all(is_whole(work / file.path, file) for file in commit.files)):
            unpublish(work, commit)
    kept = {commit.key for commit in sound_commits(work)[0]}
    for key in shards.keys() - kept:
        write_commit(work, published[key])


def _result(commit: ShardCommit | None) -> tuple[object, ...]:
    """What a record says of a shard's result; the place of its source may change without harm."""
    return () if commit is None else (commit.fingerprints, commit.files)


def _take_files(store: ObjectStore, work: Path, newest: StoreManifest, *, ours: bool) -> None:
    """Bring configuration, columns and statistics: they bind every shard that is still to come."""
    for file in newest.beside:
        name = folder_name(file)
        if name == file.path or (ours and (work / name).exists()) or is_whole(work / name, file):
            continue
        data = store.read(file.path)
        if data is None or len(data) != file.bytes or blake3(data).hexdigest() != file.blake3:
            what = "is missing" if data is None else "is damaged"
            raise IntegrityError(f"{store.url}/{file.path}: {what}; write to a new address")
        write_atomic(work / name, data)
