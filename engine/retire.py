"""What earlier runs left in a folder, under the present plan: what still counts, and what is taken back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from phrasemill.engine.folder import drop_staged, staged_shards, unpublish
from phrasemill.engine.manifest import ShardCommit, write_commit
from phrasemill.engine.shards import InputPlan


def retire(
    out: Path, plan: InputPlan, commits: dict[str, ShardCommit], prints: Mapping[str, dict[str, str]], *, prune: bool
) -> tuple[str, ...]:
    """Take back shards whose source changed or whose results would differ; return the keys of those that are gone.

    ``prints`` are fingerprints by shard. What is gone from the input is kept, but with ``prune``.
    """
    paths = {file.path for file in plan.files}
    places = {shard.key: shard.path for shard in plan.shards}
    absent: list[str] = []
    for key, commit in list(commits.items()):
        if key in prints:
            changed = commit.fingerprints != prints[key]
            if not changed and commit.source != places[key]:
                commits[key] = commit.model_copy(update={"source": places[key]})
                write_commit(out, commits[key])
        else:
            changed = commit.source in paths or prune
            if not changed:
                absent.append(key)
        if changed:
            unpublish(out, commit)
            del commits[key]
    return tuple(sorted(absent))


def current_staged(
    out: Path, commits: Mapping[str, ShardCommit], prints: Mapping[str, dict[str, str]]
) -> dict[str, ShardCommit]:
    """Staged shards that still wait under the present plan; the others are removed."""
    current: dict[str, ShardCommit] = {}
    for key, draft in staged_shards(out).items():
        if key not in commits and draft.fingerprints == prints.get(key):
            current[key] = draft
        else:
            drop_staged(out, key)
    return current
