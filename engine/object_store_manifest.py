"""Numbered manifests: what an object store holds. The one with the highest number is the truth, and nothing else.

Data objects carry the hash of their content in their name, so none is ever written over with something else. A manifest
is written only where its number is free: of two runs that want the same number, one gets it.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field, ValidationError

from phrasemill.engine.manifest import PlainFile, Record, ShardCommit
from phrasemill.schemas.errors import ConfigError, IntegrityError
from phrasemill.schemas.seals import BrokenSeal, seal, unseal

if TYPE_CHECKING:
    from phrasemill.engine.object_store import ObjectStore

MANIFESTS: Final = "_manifest"
_NAME: Final = re.compile(rf"{MANIFESTS}/(\d{{6,}})\.json")
_HASH_DIGITS: Final = 16


class Writer(Record):
    """Who wrote a manifest: the work folder's own id, that of the run, and where it ran."""

    work: str
    run: str
    host: str
    pid: int


class StoreManifest(Record):
    """What an object store holds.

    All paths are those in the store. ``shards`` are the commit records in order of their keys, ``beside`` the files of
    no shard, ``requests`` the pieces of the log of requests, in order. ``complete``: the run that wrote this had
    nothing left to do.
    """

    format: Literal[1] = 1
    number: int = Field(ge=1)
    writer: Writer
    complete: bool
    shards: tuple[ShardCommit, ...]
    beside: tuple[PlainFile, ...]
    requests: tuple[PlainFile, ...]

    def objects(self) -> dict[str, PlainFile]:
        """Every object that is named, by its path."""
        tables = (file for shard in self.shards for file in shard.files)
        return {file.path: file for file in (*tables, *self.beside, *self.requests)}


def manifest_name(number: int) -> str:
    """Where the manifest of a number is."""
    return f"{MANIFESTS}/{number:06}.json"


def object_name(path: str, digest: str) -> str:
    """The write-once name of a file with this content: part-k.parquet becomes part-k.0123456789abcdef.parquet."""
    place = PurePosixPath(path)
    return str(place.with_name(f"{place.stem}.{digest[:_HASH_DIGITS]}{place.suffix}"))


def folder_name(file: PlainFile) -> str:
    """The place in an output folder of an object that has a write-once name."""
    return file.path.replace(f".{file.blake3[:_HASH_DIGITS]}.", ".")


def in_store(commit: ShardCommit) -> ShardCommit:
    """A commit record with the names that its files have in the store."""
    files = [file.model_copy(update={"path": object_name(file.path, file.blake3)}) for file in commit.files]
    return commit.model_copy(update={"files": tuple(files)})


def in_folder(commit: ShardCommit) -> ShardCommit:
    """A commit record with the names that its files have in an output folder."""
    files = [file.model_copy(update={"path": folder_name(file)}) for file in commit.files]
    return commit.model_copy(update={"files": tuple(files)})


def encode(manifest: StoreManifest) -> bytes:
    """The manifest as it is written: JSON with a checksum over all the rest."""
    return seal(manifest.model_dump(mode="json"))


def decode(data: bytes, where: str) -> StoreManifest:
    """Read a manifest back. ConfigError: another format. IntegrityError: it is damaged."""
    try:
        body, sealed = unseal(data)
        if not sealed:
            raise BrokenSeal("it has no checksum")
        if body.get("format") != 1:
            raise ConfigError(f"{where}: got format {body.get('format')!r}, expected 1; another version wrote it")
        return StoreManifest.model_validate(body)
    except BrokenSeal as error:
        raise IntegrityError(f"{where}: is damaged: {error}") from error
    except ValidationError as error:
        raise IntegrityError(f"{where}: is damaged: it is no manifest of an object store") from error


def read_newest(store: ObjectStore) -> StoreManifest | None:
    """The manifest with the highest number; None where the store holds none.

    Raises:
        IntegrityError: it is damaged. An earlier one is never taken in its place without a word.

    """
    numbers = [int(match[1]) for name in store.names(MANIFESTS) if (match := _NAME.fullmatch(name))]
    if not numbers:
        return None
    name = manifest_name(max(numbers))
    data = store.read(name)
    where = f"{store.url}/{name}"
    if data is None:
        raise IntegrityError(f"{where}: was listed and is gone; is somebody deleting there?")
    manifest = decode(data, where)
    if manifest.number != max(numbers):
        raise IntegrityError(f"{where}: is damaged: it says that it is number {manifest.number}")
    return manifest
