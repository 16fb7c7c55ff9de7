"""A shard whose file cannot be read ends alone: the others are done, and every such file is named at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from phrasemill.engine.executors.work import Work
from phrasemill.engine.ingest_refuse import MAX_NAMED
from phrasemill.engine.shard_job import (
    ShardJob,
    ShardResult,
    decode_result,
    encode_result,
    run_shard,
    shard_key,
    shard_source,
)
from phrasemill.schemas.errors import InputError, IntegrityError


@dataclass(frozen=True, slots=True)
class Unread:
    """A shard of which nothing is published, and why."""

    message: str


def attempt_shard(job: ShardJob) -> ShardResult | Unread:
    """Read, judge and write one shard, or say why its rows cannot be had."""
    try:
        return run_shard(job)
    except (InputError, IntegrityError) as error:
        return Unread(error.message)


def refuse_unread(unread: Sequence[Unread]) -> None:
    """Raise one error for all shards that could not be read; the same command redoes just those.

    Raises:
        IntegrityError: there is one.

    """
    messages = sorted(each.message for each in unread)
    if len(messages) == 1:
        raise IntegrityError(f"{messages[0]}. Everything else was done")
    if messages:
        shown = "".join(f"\n  {message}" for message in messages[:MAX_NAMED])
        more = f"\n  and {len(messages) - MAX_NAMED} more" if len(messages) > MAX_NAMED else ""
        raise IntegrityError(f"{len(messages)} shards could not be read; everything else was done:{shown}{more}")


def _encode(result: ShardResult | Unread) -> dict[str, Any]:
    return {"unread": result.message} if isinstance(result, Unread) else encode_result(result)


def _decode(told: dict[str, Any], scratch: Path) -> ShardResult | Unread:
    return Unread(str(told["unread"])) if "unread" in told else decode_result(told, scratch)


ATTEMPT_WORK: Final[Work[ShardJob, ShardResult | Unread]] = Work(
    attempt_shard, shard_key, shard_source, _encode, _decode
)
