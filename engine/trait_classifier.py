"""``phrasemill judge train``: a small model of one trait, from pairs of one model under opposite instructions."""

from __future__ import annotations

import hashlib
import os
import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from phrasemill.engine.classifier_fit import fit
from phrasemill.engine.ingest_schema import output_name
from phrasemill.engine.judge_tasks import data_path
from phrasemill.engine.read import read_shard
from phrasemill.engine.shards import InputPlan, plan_input
from phrasemill.filters.classifier_model import load, record_path
from phrasemill.generators.judging.intervals import area, bootstrap_area, wilson
from phrasemill.generators.judging.trait_model import ABSENT, PREPARATION, SHOWN, TraitRecord, likely, prepared
from phrasemill.schemas.config import InputConfig
from phrasemill.schemas.errors import GateError, InputError

SETTINGS: Final[Mapping[str, Any]] = {
    "dim": 16,
    "epoch": 40,
    "lr": 0.3,
    "wordNgrams": 2,
    "minn": 0,
    "maxn": 0,
    "bucket": 50_000,
    "minCount": 1,
    "loss": "softmax",
    "thread": 1,
    "verbose": 0,
}
"""One thread and a seed: the same pairs give the same model. A mean of word vectors does not see how long a text is."""

HELD_OUT: Final = 0.2
"""Share of the prompts whose pairs the model is scored on and not trained on."""

MIN_EACH: Final = 10
"""Pairs that must be there to learn from, and as many to be scored on."""

_KIND, _TRAIT, _HASH = output_name("pm_kind"), output_name("pm_trait_id"), output_name("pm_trait_hash")
_READ: Final = ("prompt", "chosen", "rejected", _KIND, _TRAIT, _HASH)


class _Pair(NamedTuple):
    prompt: str
    chosen: str
    rejected: str


def train_trait(data: Sequence[str], trait_id: str, out: Path, *, seed: int = 1) -> TraitRecord:
    """Train on the pairs of kind ``contrast`` of the trait, write ``out`` and its record, and return the record.

    Rows without a kind or a trait count as pairs of this trait: they come from elsewhere.

    Raises:
        InputError: there are no pairs, too few, or they are of several versions of the trait.
        GateError: training came out with numbers that are none.
    """
    pairs, trait_hash = _read(data, trait_id)
    learned, held = _split(pairs, seed)
    if min(len(learned), len(held)) < MIN_EACH:
        raise InputError(
            f"got {len(pairs)} pairs of kind contrast of the trait {trait_id}, of which {len(held)} would be held out; "
            f"expected at least {MIN_EACH} held out and {MIN_EACH} learned from: make more with the recipe contrast"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        _fit(learned, temporary, seed)
        record = TraitRecord(
            sha256=hashlib.sha256(temporary.read_bytes()).hexdigest(),
            preparation=PREPARATION,
            trait_id=trait_id,
            trait_hash=trait_hash,
            learned=len(learned),
            length_auc=_length_auc(pairs),
            seed=seed,
            **_figures(load(temporary), held, seed),
        )
        record_path(out).write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)
    return record


def _read(data: Sequence[str], trait_id: str) -> tuple[list[_Pair], str]:
    """The pairs, and the hash of the trait that they were made with; empty where they do not say."""
    plan = plan_input(InputConfig(path=tuple(data_path(path, "preference") for path in data)))
    if "rejected" not in plan.shape.fields:
        raise InputError(f"got data of the shape {plan.shape.kind}, expected pairs with chosen and rejected")
    pairs: list[_Pair] = []
    hashes: Counter[str] = Counter()
    for row in _rows(plan):
        if row.get(_KIND, "contrast") != "contrast" or row.get(_TRAIT, trait_id) != trait_id:
            continue
        prompt = "\n".join(turn["content"] for turn in row["prompt"])
        chosen, rejected = (row[side][-1]["content"] if row[side] else "" for side in ("chosen", "rejected"))
        if chosen.strip() and rejected.strip():
            pairs.append(_Pair(prompt, chosen, rejected))
            hashes[row.get(_HASH) or ""] += 1
    if len(hashes) > 1:
        raise InputError(
            f"got pairs of {len(hashes)} versions of the trait {trait_id}, expected one; name one build at a time"
        )
    return pairs, next(iter(hashes), "")


def _rows(plan: InputPlan) -> Iterator[Mapping[str, Any]]:
    for shard in plan.shards:
        for batch in read_shard(shard, plan):
            yield from batch.table.select([name for name in _READ if name in batch.table.column_names]).to_pylist()


def _split(pairs: Sequence[_Pair], seed: int) -> tuple[list[_Pair], list[_Pair]]:
    """Pairs to learn from and pairs held out, by a hash of the prompt: no prompt is in both."""
    learned: list[_Pair] = []
    held: list[_Pair] = []
    for pair in pairs:
        digest = hashlib.sha256(f"{seed} {pair.prompt}".encode()).digest()
        (held if int.from_bytes(digest[:4]) < HELD_OUT * 2**32 else learned).append(pair)
    return learned, held


def _fit(pairs: Sequence[_Pair], out: Path, seed: int) -> None:
    sides = ((SHOWN, [pair.chosen for pair in pairs]), (ABSENT, [pair.rejected for pair in pairs]))
    lines = [
        f"__label__{label} {line}" for label, texts in sides for line in prepared(pl.Series(texts, dtype=pl.String))
    ]
    random.Random(seed).shuffle(lines)
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "text"
        text.write_text("\n".join(lines) + "\n", encoding="utf-8")
        fit({**SETTINGS, "seed": seed}, text, out)


def _figures(model: Any, held: Sequence[_Pair], seed: int) -> dict[str, Any]:
    """What a model makes of held-out pairs, by the names of its record."""
    chosen = likely(model, [pair.chosen for pair in held])
    rejected = likely(model, [pair.rejected for pair in held])
    if not np.isfinite(chosen).all() or not np.isfinite(rejected).all():
        raise GateError("training failed: the model gives no probabilities; try again with another --seed")
    right = int((chosen > rejected).sum())
    hits = int((chosen >= 0.5).sum() + (rejected < 0.5).sum())
    return {
        "held_out": len(held),
        "agreement": right / len(held),
        "agreement_interval": wilson(right, len(held)),
        "accuracy": hits / (2 * len(held)),
        "accuracy_interval": wilson(hits, 2 * len(held)),
        "auc": area(chosen, rejected),
        "auc_interval": bootstrap_area(chosen, rejected, seed),
    }


def _length_auc(pairs: Sequence[_Pair]) -> float:
    """How well length alone tells the sides apart, whichever is the longer one: 0.5 is not at all."""
    chosen: npt.NDArray[np.float64] = np.array([len(pair.chosen) for pair in pairs], dtype=np.float64)
    rejected: npt.NDArray[np.float64] = np.array([len(pair.rejected) for pair in pairs], dtype=np.float64)
    longer = area(chosen, rejected)
    return max(longer, 1 - longer)
