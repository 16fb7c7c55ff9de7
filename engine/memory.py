"""The setting ``memory`` as a plan: how many processes, how much each reads at a time, and how it stays below its part.

No result depends on it. What a process takes was measured (benchmarks/memory.py) with the allocators set as here.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from phrasemill.engine.ingest_quarantine import MAX_ROW_BYTES
from phrasemill.engine.parquet_rows import BATCH_BYTES
from phrasemill.filters.compiled import forget_states
from phrasemill.schemas.errors import ConfigError

_MB: Final = 1_000_000

DRIVER_BYTES: Final = 210 * _MB
"""The process that plans and commits while workers read, with the two small ones that watch over workers."""

SHARD_BYTES: Final = 30_000
"""What the process that commits keeps of every shard: its job and its record."""

PROCESS_BYTES: Final = 140 * _MB
"""A process that has imported everything and reads nothing."""

FILTER_BYTES: Final = {"regex": 230 * _MB, "fuzzy": 120 * _MB, "classifier": 80 * _MB}
"""What a filter holds once it has seen a few thousand rows: tables, a model, and the states of its patterns."""

OTHER_FILTER_BYTES: Final = 100 * _MB

HELD_BYTES: Final = 60 * _MB
"""Row groups that wait to be full, and the one that is being written."""

BATCH_FACTOR: Final = 6
"""Bytes that a process takes for every byte of a batch, once read, folded, judged and laid out."""

PAGE_FACTOR: Final = 5
"""Bytes for every byte of the largest page of a Parquet file: packed, unpacked, as a column that grows, and copied."""

MIN_BATCH_BYTES: Final = 1024 * 1024


_ROOM: Final = 1.1
"""How far above what cannot be given up the limit is put, where that is above it: else patterns would go every time."""


@dataclass(frozen=True, slots=True)
class Share:
    """The part of one process. ``batch_bytes``: read at a time, None: as readers think best.

    ``limit``: bytes that it may hold between two batches, None without one.
    """

    batch_bytes: int | None = None
    limit: int | None = None

    def keeper(self) -> Keeper:
        """Whoever works on a shard calls its ``keep`` between batches."""
        return Keeper(self.limit)


NO_LIMIT: Final = Share()


class Keeper:
    """Holds a process to ``limit`` bytes between batches; does nothing with None, or where memory is not told."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        if limit is not None:
            _frugal()

    def keep(self) -> None:
        """Give back what is free; where that is too little, the states that patterns came to, too.

        They are made anew from the text that is read next.
        """
        if self._limit is None:
            return
        _give_back()
        if (resident_bytes() or 0) > self._limit:
            forget_states()
            gc.collect()
            _give_back()
            self._limit = max(self._limit, int((resident_bytes() or 0) * _ROOM))


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """``workers`` processes at once, each with this ``share``."""

    workers: int
    share: Share


def plan_memory(
    memory: int | None, filters: Iterable[str], workers: int, *, shards: int = 0, largest_page: int = 0
) -> MemoryPlan:
    """How ``memory`` bytes in all are used by up to ``workers`` processes beside the one that commits.

    ``filters`` are names; ``largest_page`` is in bytes, unpacked. With one worker that process does everything.

    Raises:
        ConfigError: it is too little for one process; says the least that works.

    """
    if memory is None:
        return MemoryPlan(workers, Share())
    fixed, kept = _fixed(filters), SHARD_BYTES * shards
    row = max(BATCH_FACTOR * MAX_ROW_BYTES, PAGE_FACTOR * largest_page)
    least = fixed + row + BATCH_FACTOR * MIN_BATCH_BYTES
    if memory < least + kept:
        page = f", of which the largest page of the input takes {PAGE_FACTOR} x {largest_page} bytes"
        raise ConfigError(
            f"memory: got {memory} bytes, expected at least {-(-(least + kept) // _MB)}MB for these filters and this "
            f"input{page if row == PAGE_FACTOR * largest_page else ''}; raise it, take filters out, or write the input "
            "in smaller pages"
        )
    while workers > 1 and (memory - kept - DRIVER_BYTES) // workers < least:
        workers -= 1
    each = memory - kept if workers == 1 else (memory - kept - DRIVER_BYTES) // workers
    batch = (each - fixed - row) // BATCH_FACTOR
    limit = fixed if workers > 1 else fixed + kept
    return MemoryPlan(workers, Share(min(max(batch, MIN_BATCH_BYTES), BATCH_BYTES), limit))


def _fixed(filters: Iterable[str]) -> int:
    return PROCESS_BYTES + HELD_BYTES + sum(FILTER_BYTES.get(name, OTHER_FILTER_BYTES) for name in filters)


def resident_bytes() -> int | None:
    """Memory that this process holds now (RSS), None where the system does not tell."""
    try:
        with open("/proc/self/smaps_rollup", "rb") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith(b"Rss:"))
    except (OSError, StopIteration):
        return None


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_LARGE: Final = 1024 * 1024


def _frugal() -> None:
    """Large pieces are mapped one by one, so that freeing one gives it back; there are few arenas for small ones."""
    pa.set_memory_pool(pa.system_memory_pool())
    library = _c_library()
    if library is not None and hasattr(library, "mallopt"):
        library.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        library.mallopt(_M_TRIM_THRESHOLD, 4 * _LARGE)
        library.mallopt(_M_ARENA_MAX, 2)


def _give_back() -> None:
    pa.default_memory_pool().release_unused()
    library = _c_library()
    if library is not None and hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


def _c_library() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if sys.platform.startswith("linux") else None
