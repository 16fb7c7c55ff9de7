"""A file that is read is the one that was planned: gone, shorter, longer or written anew, it is refused by name.

What counts is the content. The stamp (size, time of the last write, time of the last change of any kind) tells whether
the content has to be looked at again. Not found is a change that is undone, times and all, while one shard is read, and
one of a remote file whose store tells neither etag nor time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from phrasemill.engine.shards import Shard
from phrasemill.engine.source import STREAM_ERRORS, hashed, is_remote, stamp
from phrasemill.schemas.errors import InputError, IntegrityError


@contextmanager
def unchanged(shard: Shard) -> Iterator[None]:
    """Hold the shard's file to what was planned, before and after it is read.

    Raises:
        IntegrityError: the file is another one now, or was written to meanwhile; that is told too where the reader
            fails on it.

    """
    before = _planned(shard, shard.stamp)
    try:
        yield
    except (InputError, IntegrityError):
        _same(shard, before)
        raise
    _same(shard, before)


def _planned(shard: Shard, known: str) -> str:
    """Return the file's stamp now that its content is known to be the planned one."""
    now = _stamp(shard)
    if now == known:
        return now
    try:
        content = _content(shard.path, now)
    except STREAM_ERRORS as error:
        raise _changed(shard, f"cannot be read any more ({error})") from error
    if content != shard.content_hash:
        raise _changed(shard, "is not the file that was planned")
    if _stamp(shard) != now:
        raise _changed(shard, "is being written to")
    return now


@lru_cache(maxsize=1024)
def _content(path: str, now: str) -> str:
    """Return the hash of a file's content under the stamp it has now. All shards of a file ask for the same one."""
    _, content = hashed(path)
    if stamp(path) != now:
        raise OSError("it is being written to")
    return content


def _same(shard: Shard, before: str) -> None:
    """Nobody wrote to the file since ``before``; a change of its permissions or links is none of its content."""
    now = _stamp(shard)
    if now == before:
        return
    if is_remote(shard.path) or now.rsplit("-", 1)[0] != before.rsplit("-", 1)[0]:
        raise _changed(shard, "was written to while it was read")
    _planned(shard, before)


def _stamp(shard: Shard) -> str:
    try:
        return stamp(shard.path)
    except OSError as error:
        raise _changed(shard, f"is gone or cannot be reached ({error.strerror or error})") from error


def _changed(shard: Shard, what: str) -> IntegrityError:
    return IntegrityError(
        f"{shard.path}: {what}; nothing of {shard.source} is published. Put the file back, or leave the new one, and "
        "run the same command again"
    )
