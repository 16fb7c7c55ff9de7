"""What a run finished, into an object store at once: a shard's objects first, then the manifest that names them.

One thread uploads, beside the run. A crash at any point leaves objects that no manifest names, and nothing else.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from phrasemill.engine.folder import REQUESTS
from phrasemill.engine.manifest import (
    COMMITS_NAME,
    PlainFile,
    ShardCommit,
    is_whole,
    plain_record,
    read_commits,
)
from phrasemill.engine.object_store_copies import copies
from phrasemill.engine.object_store_manifest import (
    StoreManifest,
    decode,
    encode,
    folder_name,
    in_store,
    manifest_name,
    object_name,
)
from phrasemill.engine.object_store_requests import held, send_new_lines
from phrasemill.engine.object_store_work import Adopted, restored
from phrasemill.schemas.errors import ConfigError, IntegrityError, LockedError

if TYPE_CHECKING:
    from phrasemill.engine.object_store import ObjectStore

REQUESTS_SECONDS: Final = 30.0
"""Answers of a model that came since the last manifest are uploaded after this long."""

_WAITING_SHARDS: Final = 8
"""Shards that may wait to be uploaded; then the run waits."""

_AT_ONCE: Final = 4
_REST: Final = 9.0
"""A manifest names every file. It is written at most a tenth of the time: then many small shards share one."""

_POLL_SECONDS: Final = 0.5


class Publisher:
    """Uploads what a run commits in its work folder. Begins when made; ``finish`` or ``abandon`` ends it."""

    def __init__(self, store: ObjectStore, work: Path, adopted: Adopted) -> None:
        """Start the thread; nothing is sent before a shard is done or the run ends."""
        self._store, self._work, self._writer = store, work, adopted.writer
        self._newest = adopted.newest
        self._shards = dict(adopted.shards)
        self._requests = adopted.requests
        self._beside: tuple[PlainFile, ...] = () if adopted.newest is None else adopted.newest.beside
        self._proved = self._caught_up = False
        self._checked: set[str] = set()
        self._log: int | None = None
        self._due: float | None = None
        self._next_at = 0.0
        self._queue: queue.Queue[ShardCommit | bool | None] = queue.Queue(_WAITING_SHARDS)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="publish")
        self._uploads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="upload")
        self._served: Future[None] = self._thread.submit(self._serve)

    @property
    def failed(self) -> bool:
        """Whether uploading has come to an end by an error, which ``finish`` raises."""
        return self._served.done()

    def shard_done(self, commit: ShardCommit) -> None:
        """Upload a shard that was committed; returns at once, or waits while too many wait.

        Raises:
            LockedError: another run published meanwhile. BackendError, ConfigError: the store does not take objects.

        """
        self._put(commit)

    def finish(self, *, complete: bool) -> None:
        """Upload what is left and publish the last manifest; the errors of ``shard_done``."""
        try:
            self._put(complete)
            self._served.result()
        finally:
            self._close()

    def abandon(self) -> None:
        """End without another manifest; an operation that is under way is not tried again."""
        self._store.give_up()
        while not self._served.done():
            try:
                self._queue.put(None, timeout=_POLL_SECONDS)
                break
            except queue.Full:
                continue
        self._close()

    def _close(self) -> None:
        self._thread.shutdown()
        self._uploads.shutdown()

    def _put(self, item: ShardCommit | bool) -> None:
        while True:
            if self._served.done():
                self._served.result()
            try:
                self._queue.put(item, timeout=_POLL_SECONDS)
                return
            except queue.Full:
                continue

    def _serve(self) -> None:
        while True:
            wait = REQUESTS_SECONDS if self._due is None else max(0.0, self._due - time.monotonic())
            try:
                item = self._queue.get(timeout=wait)
            except queue.Empty:
                if self._send_requests() or self._due is not None:
                    self._publish(complete=False)
                continue
            if item is None:
                return
            if isinstance(item, bool):
                self._end(complete=item)
                return
            self._take(item)
            if time.monotonic() >= self._next_at:
                self._publish(complete=False)
            else:
                self._due = self._next_at

    def _take(self, commit: ShardCommit) -> None:
        if not self._caught_up:  # what an earlier run committed and did not bring to the store
            self._catch_up()
        self._upload(commit)

    def _catch_up(self) -> None:
        for commit in read_commits(self._work):
            self._upload(commit)
        self._caught_up = True

    def _upload(self, commit: ShardCommit) -> None:
        stored = in_store(commit)
        known = self._shards.get(commit.key)
        there = set() if known is None else set(known.files)
        new = [(local, placed) for local, placed in zip(commit.files, stored.files, strict=True) if placed not in there]
        for done in [self._uploads.submit(self._send, local, placed) for local, placed in new]:
            done.result()
        self._shards[commit.key] = stored

    def _send(self, local: PlainFile, placed: PlainFile) -> None:
        """Upload a file, unless an object of this name and size is there: the name says what is in it."""
        if self._store.size(placed.path) == placed.bytes:
            return
        path = self._work / local.path
        if not is_whole(path, local):
            raise IntegrityError(
                f"{path}: is not as it was recorded, and is not in {self._store.url}; delete the shard's record in "
                f"{self._work / COMMITS_NAME} and run again"
            )
        self._store.put_file(placed.path, path)

    def _end(self, *, complete: bool) -> None:
        self._catch_up()
        written = copies(self._store.url, self._work, list(self._listed()))
        self._beside = (*self._bindings(), *(record for record, _ in written))
        self._publish(complete=complete)
        for record, data in written:
            self._store.put(record.path, data)

    def _bindings(self) -> list[PlainFile]:
        """Configuration, columns and statistics, uploaded where the store lacks them."""
        bindings = []
        for name in restored(self._work):
            local = plain_record(self._work, name)
            placed = local.model_copy(update={"path": object_name(name, local.blake3)})
            if placed.path not in self._checked:  # named by a manifest, it may still have been deleted
                self._send(local, placed)
                self._checked.add(placed.path)
            bindings.append(placed)
        return bindings

    def _listed(self) -> Sequence[ShardCommit]:
        """The shards to publish: those that the run did not take back."""
        present = {path.stem for path in (self._work / COMMITS_NAME).glob("[!.]*.json")}
        return [shard for key, shard in sorted(self._shards.items()) if key in present]

    def _publish(self, *, complete: bool) -> None:
        """Write the next manifest, where anything has changed."""
        self._due = None
        self._send_requests()
        if not complete:
            fixed = [file for file in self._beside if folder_name(file) == file.path]
            self._beside = (*self._bindings(), *fixed)
        manifest = StoreManifest(
            number=1 if self._newest is None else self._newest.number + 1,
            writer=self._writer,
            complete=complete,
            shards=tuple(self._listed()),
            beside=self._beside,
            requests=self._requests,
        )
        if self._newest is not None and _content(manifest) == _content(self._newest):
            return
        started = time.monotonic()
        self._create(manifest)
        self._newest = manifest
        ended = time.monotonic()
        self._next_at = ended + _REST * (ended - started)

    def _send_requests(self) -> bool:
        """Upload what the log of requests has more; returns whether it had."""
        log = self._work / REQUESTS
        if not log.exists():
            return False
        known = log.stat().st_ino
        if known != self._log:  # a run that begins may write its log anew, without lines that were damaged
            self._requests, self._log = held(log, self._requests), known
        before = self._requests
        self._requests = send_new_lines(self._store, log, before)
        return self._requests != before

    def _create(self, manifest: StoreManifest) -> None:
        name, data = manifest_name(manifest.number), encode(manifest)
        if not self._store.create(name, data):
            raise LockedError(f"{self._store.url}: {self._other(name)}; what it published stands. Run again to go on")
        if not self._proved:
            if not self._store.keeps_what_is_there(name, data):
                raise ConfigError(
                    f"{self._store.url}: the store writes over an object although it was asked not to "
                    "(If-None-Match); two runs could undo each other: use a store with conditional writes"
                )
            self._proved = True

    def _other(self, name: str) -> str:
        data = self._store.read(name)
        writer = None if data is None else decode(data, f"{self._store.url}/{name}").writer
        who = "" if writer is None else f" (process {writer.pid} on {writer.host})"
        return f"another run{who} has written {name} meanwhile"


def _content(manifest: StoreManifest) -> StoreManifest:
    return manifest.model_copy(update={"number": 1, "writer": None})
