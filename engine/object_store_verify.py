"""Whether an object store holds what its newest manifest says: every object streamed, sizes and checksums compared."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from phrasemill.engine.manifest import PlainFile, ShardCommit, check_ledger
from phrasemill.engine.object_store_manifest import StoreManifest, folder_name, read_newest
from phrasemill.engine.object_store_url import open_store
from phrasemill.engine.verify import VerifyReport
from phrasemill.engine.verify_evidence import Problem
from phrasemill.schemas.errors import ConfigError, IntegrityError

if TYPE_CHECKING:
    from phrasemill.engine.object_store import ObjectStore

_AT_ONCE: Final = 4


def verify_store(url: str) -> VerifyReport:
    """Stream every object that the newest manifest names. Nothing is kept on disk.

    Raises:
        ConfigError: there is no manifest, or the store refuses. BackendError: it is out of order.
        IntegrityError: the manifest itself is damaged.

    """
    store = open_store(url)
    manifest = newest_or_refuse(store)
    objects = manifest.objects()
    shards = {file.path: shard.key for shard in manifest.shards for file in shard.files}
    problems = list(_ledger_problems(manifest.shards))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for file, message in zip(
            objects.values(), pool.map(lambda each: _object_problem(store, each), objects.values()), strict=True
        ):
            if message is not None:
                problems.append(Problem(shard=shards.get(file.path, ""), path=file.path, message=message))
    return VerifyReport(
        shards=len(manifest.shards),
        files=len(objects),
        bytes=sum(file.bytes for file in objects.values()),
        rows_in=sum(shard.rows_in for shard in manifest.shards),
        problems=tuple(sorted(problems, key=lambda problem: (problem.shard, problem.path))),
    )


def newest_or_refuse(store: ObjectStore) -> StoreManifest:
    """The newest manifest; ConfigError where the store has none."""
    manifest = read_newest(store)
    if manifest is None:
        raise ConfigError(f"{store.url}: holds no manifest; expected an address that phrasemill has written to")
    return manifest


def _ledger_problems(shards: tuple[ShardCommit, ...]) -> Iterator[Problem]:
    for shard in shards:
        try:
            check_ledger(shard)
        except IntegrityError as error:
            yield Problem(shard=shard.key, path="", message=str(error))


def _object_problem(store: ObjectStore, file: PlainFile) -> str | None:
    """Say what is wrong with an object; None where it is as recorded."""
    found = store.digest(file.path)
    fixed = folder_name(file) == file.path
    if found is None:
        return "is missing: run the same command again"
    again = "run the same command again" if fixed else "delete it and run the same command again"
    size, digest = found
    if size != file.bytes:
        return f"has {size} bytes, expected {file.bytes}: {again}"
    if digest != file.blake3:
        return f"has the checksum {digest[:16]}..., expected {file.blake3[:16]}...: {again}"
    return None
