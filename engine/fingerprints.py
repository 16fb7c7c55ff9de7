"""The identity of each stage: what its results depend on, hashed. Equal fingerprints mean equal results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import blake3
import orjson

from phrasemill.engine.shards import InputPlan, Shard
from phrasemill.filters.base import Filter
from phrasemill.schemas.config import RunConfig

STAGE_VERSIONS: Final = {"scan": 2, "decide": 1, "generate": 1, "publish": 1}
"""Raised by one when a stage starts to give other results for the same input and configuration."""


def fingerprint(parts: Any) -> str:
    """Hash of plain data, 32 hexadecimal digits; keys in any order."""
    return blake3.blake3(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


def stage_fingerprints(
    config: RunConfig,
    filters: Sequence[Filter],
    allow: frozenset[str],
    traits: Sequence[str],
    mode: str,
    *,
    decides: bool = True,
    overrides: str = "",
    quality: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """Fingerprint of every stage. ``traits``: content hashes of the traits in use; ``mode``: scan, clean or run.

    ``decides`` false: a scan without a policy. ``overrides``: fingerprint of a person's verdicts, empty without any.
    ``quality``: what decides whether a judge lets a pair through, None where no judge does.
    """
    policy = config.policy.model_dump(mode="json", exclude={"gate"})
    backend = config.backend.model_dump(include={"use", "url", "model", "temperature", "top_p", "max_tokens"})
    scan: dict[str, Any] = {"version": STAGE_VERSIONS["scan"], "filters": [each.fingerprint() for each in filters]}
    if mode != "scan" and config.policy.reasoning == "drop":
        scan["reasoning"] = "drop"  # what is dropped is never scanned, and spans count without it
    decide = {
        "version": STAGE_VERSIONS["decide"],
        "scan": fingerprint(scan),
        "policy": policy,
        "allow": sorted(allow),
        "mode": mode,
        "decides": decides,
    }
    if overrides and mode != "scan":
        decide["overrides"] = overrides
    generate = {
        "version": STAGE_VERSIONS["generate"],
        "decide": fingerprint(decide),
        "traits": list(traits),
        "backend": backend,
        "regenerate": config.regenerate.model_dump(mode="json"),
        "seed": config.seed,
    }
    publish: dict[str, Any] = {
        "version": STAGE_VERSIONS["publish"],
        "before": fingerprint(generate if mode == "run" else decide),
        "pairs": config.pairs.model_dump(mode="json"),
        "output": config.output.model_dump(mode="json"),
    }
    if quality is not None and mode == "run":
        publish["judge"] = quality
    stages = {"scan": scan, "decide": decide, "publish": publish}
    if mode == "run":
        stages["generate"] = generate
    return {name: fingerprint(parts) for name, parts in stages.items()}


def shard_fingerprints(stages: dict[str, str], shard: Shard, plan: InputPlan) -> dict[str, str]:
    """The stages' fingerprints for one shard: the rows sampled from it and how they are read belong to them."""
    sample = None if plan.sample is None else plan.sample.get(shard.key)
    rows = "all" if sample is None else blake3.blake3(sample.tobytes()).hexdigest()[:32]
    return {name: fingerprint([stage, rows, plan.reading_fingerprint()]) for name, stage in stages.items()}
