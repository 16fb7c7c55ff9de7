"""Filters that must know the whole corpus first: they count it once, and judge each shard by the frozen counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import blake3
import pyarrow as pa

from phrasemill.filters.base import Filter
from phrasemill.filters.turns import TurnTable
from phrasemill.schemas.errors import ConfigError


class CorpusFilter(Filter):
    """A filter with a statistics pass. ``statistics``: the frozen file; None: a run counts its own input first.

    Shards stay independent: each is judged by the same file, whatever the order and whoever does it. A folder keeps
    the file that it began with, also when new shards come.
    """

    statistics: str | None = None

    def count(self, turns: TurnTable) -> pa.Table:
        """What these turns add to the statistics: the same columns for every batch."""
        raise NotImplementedError(f"filter {self.name!r} counts nothing")

    def freeze(self, parts: list[Path]) -> pa.Table:
        """The statistics, from the counts of all shards: Parquet files, in order of their shards' keys."""
        raise NotImplementedError(f"filter {self.name!r} freezes nothing")

    def fingerprint(self) -> dict[str, Any]:
        """As every filter's, with the content of the statistics in place of their path."""
        content = "" if self.statistics is None else _content_hash(self.statistics)
        return {**super().fingerprint(), "statistics": content}


def _content_hash(path: str) -> str:
    try:
        return blake3.blake3(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(
            f"{path}: the statistics cannot be read: {error}; leave the option out to count anew"
        ) from error
