"""Rows that cannot be used, with the reason and the row as it came."""

from __future__ import annotations

import base64
from typing import Any, Final

import blake3
import orjson
import pyarrow as pa

from phrasemill.engine.ingest_turns import DETAILS
from phrasemill.schemas import tables

MAX_ROW_BYTES: Final = 16 * 1024 * 1024
"""A row with more text than this goes to quarantine."""

MAX_RAW_BYTES: Final = 64 * 1024
"""How much of a row its quarantine entry shows."""


class Quarantine:
    """Collects unusable rows of one shard. Reasons are those of ``ingest_turns.REASONS``."""

    def __init__(self, shard_key: str, source: str) -> None:
        self._shard = shard_key
        self._source = source
        self._rows: list[dict[str, Any]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: int, reason: str, raw: bytes, *, row_id: str | None = None, detail: str | None = None) -> None:
        """Take a row in. ``raw`` is kept as text, or as base64 where the reason is ``invalid_utf8``."""
        self.add_part(row, reason, raw, len(raw), blake3.blake3(raw).hexdigest(), row_id=row_id, detail=detail)

    def add_part(
        self,
        row: int,
        reason: str,
        head: bytes,
        size: int,
        digest: str,
        *,
        row_id: str | None = None,
        detail: str | None = None,
    ) -> None:
        """Take a row in of which only the beginning is at hand; ``size`` and ``digest`` are those of the whole."""
        if reason == "invalid_utf8":
            shown = base64.b64encode(head[: MAX_RAW_BYTES // 4 * 3]).decode("ascii")
        else:
            shown = head[:MAX_RAW_BYTES].decode("utf-8", errors="ignore")
        self._rows.append(
            {
                "shard": self._shard,
                "row": row,
                "row_id": row_id,
                "reason": reason,
                "detail": detail or DETAILS[reason],
                "source": self._source,
                "raw": shown,
                "raw_bytes": size,
                "raw_blake3": digest,
            }
        )

    def table(self) -> pa.Table:
        """Return the rows in order of their index, as ``tables.QUARANTINE``."""
        return pa.Table.from_pylist(sorted(self._rows, key=lambda entry: entry["row"]), schema=tables.QUARANTINE)


def row_json(row: Any) -> bytes:
    """Return a row of Arrow values as JSON. Bytes become base64, other foreign values their text."""
    return orjson.dumps(row, default=_foreign, option=orjson.OPT_NON_STR_KEYS)


def _foreign(value: Any) -> Any:
    return base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else str(value)
