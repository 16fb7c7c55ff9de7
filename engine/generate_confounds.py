"""What of the published pairs tells the sides apart without reading them: length, format, hedging, by trait."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from phrasemill.engine.manifest import Manifest
from phrasemill.generators.confounds import measure
from phrasemill.generators.recipes.query_spread import Spread, spread


def measure_queries(out: Path, manifest: Manifest) -> Spread | None:
    """How far the published queries spread, None where there are none."""
    paths = [out / file.path for file in manifest.files("queries")]
    if not paths:
        return None
    return spread([messages[0]["content"] for messages in pl.read_parquet(paths, glob=False)["messages"]])


def measure_pairs(out: Path, manifest: Manifest) -> dict[str, dict[str, Any]]:
    """Confounds of the pairs of each trait, and of all of them under ``all``; empty where there are none.

    The texts of the pairs are read into memory.
    """
    paths = [out / file.path for file in manifest.files("preference")]
    if not paths:
        return {}
    side = pl.element().struct.field("content")
    pairs = pl.read_parquet(paths, columns=["pm_trait_id", "chosen", "rejected"], glob=False).select(
        pl.col("pm_trait_id").fill_null("none"),
        *(pl.col(name).list.eval(side).list.join("\n") for name in ("chosen", "rejected")),
    )
    parts = {str(name[0]): part for name, part in pairs.group_by("pm_trait_id", maintain_order=True)}
    if len(parts) > 1:
        parts["all"] = pairs
    return {name: asdict(measure(part["chosen"].to_list(), part["rejected"].to_list())) for name, part in parts.items()}
