"""What a run takes over from an earlier folder (``--base``): spans of shards that are unchanged, and known answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from phrasemill.engine.folder import REQUESTS
from phrasemill.engine.manifest import ShardCommit, is_whole, read_manifest


def base_with_spans(base: Path | None, known: ShardCommit | None, prints: Mapping[str, str]) -> Path | None:
    """The base folder, where its record ``known`` of a shard has the spans that a scan would find now.

    ``prints`` are the shard's fingerprints in this run. None too where its file of spans is not whole.
    """
    if base is None or known is None or known.fingerprints.get("scan") != prints["scan"]:
        return None
    spans = next((record for record in known.files if record.table == "spans"), None)
    whole = spans is None or is_whole(base / spans.path, spans)
    return base.resolve() if whole else None


def known_requests(base: Path | None) -> list[Path]:
    """Logs or evidence of the base in which finished requests are looked up."""
    if base is None:
        return []
    log = base / REQUESTS
    return [log] if log.exists() else [base / record.path for record in read_manifest(base).files("generations")]
