"""Where a run writes: a folder, or a work folder whose finished shards go to an object store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from phrasemill.engine.object_store_url import checked_url, is_store_url, open_store, refuse_own_output
from phrasemill.schemas.errors import ConfigError, GateError, LockedError, PhrasemillError

if TYPE_CHECKING:
    from phrasemill.engine.manifest import ShardCommit

OnCommit = Callable[["ShardCommit"], None]


@contextmanager
def output_place(out: str, work: Path | None, inputs: Sequence[str] = ()) -> Iterator[tuple[Path, OnCommit | None]]:
    """The folder to write to, and what to call with every shard that was committed there; None where nobody asks.

    ``out`` is a folder or an address like ``s3://bucket/folder``; ``work`` the local folder for an address; ``inputs``
    what the run reads. When the block ends, the store holds all that was finished, whether the run came to its end, a
    gate failed, a model server went down or a signal came.

    Raises:
        ConfigError: the address or the work folder cannot be used, or the store refuses.
        BackendError: the store is out of order. LockedError: another run published there meanwhile.

    """
    if not is_store_url(out):
        if work is not None:
            raise ConfigError(f"got --work, but {out} is a folder; --work is for an address like s3://bucket/folder")
        yield Path(out), None
        return
    url = checked_url(out)
    refuse_own_output(url, inputs)
    store = open_store(url)
    from phrasemill.engine.object_store_publish import Publisher
    from phrasemill.engine.object_store_work import adopt, default_work

    folder = default_work(url) if work is None else work
    publisher = Publisher(store, folder, adopt(store, folder))
    try:
        yield folder, publisher.shard_done
    except PhrasemillError as error:
        if publisher.failed or isinstance(error, (ConfigError, LockedError)):
            publisher.abandon()
        else:
            publisher.finish(complete=isinstance(error, GateError))
        raise
    except BaseException:  # a bug or a second signal: what is finished is in the work folder
        publisher.abandon()
        raise
    publisher.finish(complete=True)
