"""Training and scoring of sentence models: ``phrasemill classifier train`` and ``eval``."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from phrasemill.engine.classifier_fit import fit
from phrasemill.engine.classifier_text import Example
from phrasemill.engine.word_net_fit import fit_net
from phrasemill.filters.classifier_model import (
    CATEGORIES,
    NONE,
    NORMALISER,
    Record,
    SentenceModel,
    load,
    net_path,
    normalised,
    opinion,
    record_path,
)
from phrasemill.filters.word_net import VECTORS_SHA256, vectors
from phrasemill.schemas.errors import GateError, InputError, PhrasemillError

SETTINGS: Final[Mapping[str, Any]] = {
    "dim": 8,
    "epoch": 10,
    "lr": 0.2,
    "wordNgrams": 3,
    "minn": 0,
    "maxn": 0,
    "bucket": 45_000,
    "minCount": 1,
    "loss": "ova",
    "thread": 1,
    "seed": 1,
    "verbose": 0,
}
"""One thread and a seed: the same text gives the same model. ``ova``: a sentence may have several labels. So few
numbers that nothing need be quantised: that cost more precision than small vectors do."""

WRITTEN_WEIGHT: Final = 4
"""How often a sentence written by hand is shown for each one drawn from a template: people's sentences vary more."""

DRAWN_EVERY: Final = 3
DRAWN_SHARE: Final = 0.5
"""A net sees every third drawn sentence, and each counts half of a written one."""

HELD_OUT: Final = 0.1
"""Share of the sentences that a model is scored on and not trained on."""

FLOORS: Final[Mapping[str, float]] = {
    "ai_self_reference": 0.88,
    "refusal": 0.92,
    "sycophancy": 0.86,
    "moralising": 0.98,
}
"""Least thresholds of the shipped model: held-out sentences are by the same hands, real answers are harder."""


@dataclass(frozen=True, slots=True)
class LabelScore:
    """How well one label was told: counts of sentences, at ``threshold``."""

    label: str
    threshold: float
    right: int
    false_hits: int
    missed: int

    @property
    def precision(self) -> float:
        """Share of the hits that are right; 1 where there are none."""
        hits = self.right + self.false_hits
        return self.right / hits if hits else 1.0

    @property
    def recall(self) -> float:
        """Share of the labelled sentences that were hit; 1 where there are none."""
        labelled = self.right + self.missed
        return self.right / labelled if labelled else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0

    def as_row(self) -> dict[str, Any]:
        """For tables and JSON."""
        return {**asdict(self), "precision": self.precision, "recall": self.recall, "f1": self.f1}


def train(
    examples: Sequence[Example],
    out: Path,
    *,
    precision: float,
    backend: str = "static",
    seed: int = 1,
    floors: Mapping[str, float] | None = None,
) -> list[LabelScore]:
    """Train a model, write it and its record, and return its scores on held-out sentences, in the order of the labels.

    ``precision`` is what each threshold has to reach there, and ``floors`` what it may not fall below. ``backend``:
    ``fasttext`` alone, or ``static`` for a net over word vectors beside it.

    Raises:
        InputError: too few sentences, or a label that is never used.
        GateError: training came out with numbers that are none.
    """
    labels = tuple(label for label in CATEGORIES if any(label in each.labels for each in examples))
    if not labels or all(each.labels for each in examples):
        raise InputError(f"expected sentences with a label of {', '.join(CATEGORIES)} and others with the label {NONE}")
    learned, held = _split(examples, seed)
    temporary = out.with_name(f".{out.name}.{os.getpid()}")
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        _fit(learned, temporary, seed)
        net = _fit_net(learned, labels, seed) if backend == "static" else None
        scores = opinion(load(temporary), net, labels, pl.Series(_lines(held), dtype=pl.String))
        _check_numbers(scores)
        limits = _thresholds(scores, held, labels, precision, floors or {})
        result = _score(scores, held, labels, limits)
        record = Record(
            sha256=hashlib.sha256(temporary.read_bytes()).hexdigest(),
            normaliser=NORMALISER,
            labels=labels,
            thresholds=limits,
            net=None if net is None else _write_net(net, net_path(out)),
            trained={
                "sentences": len(learned),
                "held_out": len(held),
                "precision": precision,
                "seed": seed,
                "settings": dict(SETTINGS),
                "vectors": None if net is None else VECTORS_SHA256,
                "scores": [each.as_row() for each in result],
            },
        )
        text = json.dumps(record.model_dump(mode="json"), indent=1) + "\n"
        record_path(out).write_text(text, encoding="utf-8")
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)
    return result


def evaluate(model: SentenceModel, examples: Sequence[Example]) -> list[LabelScore]:
    """The scores of a model at its own thresholds, in the order of its labels."""
    scores = model.scores(pl.Series([each.text for each in examples], dtype=pl.String))
    return _score(scores, examples, model.record.labels, model.record.thresholds)


def _split(examples: Sequence[Example], seed: int) -> tuple[list[Example], list[Example]]:
    """Sentences to learn from and sentences held out, by a hash of what the model reads of each."""
    texts = _lines(examples)
    first = dict(zip(reversed(texts), reversed(examples), strict=True))
    learned: list[Example] = []
    held: list[Example] = []
    for line, example in sorted(first.items()):
        digest = hashlib.sha256(f"{seed} {line}".encode()).digest()
        (held if int.from_bytes(digest[:4]) < HELD_OUT * 2**32 else learned).append(example)
    if min(len(learned), len(held)) < 20:
        raise InputError(f"got {len(first):,} different sentences; expected some hundred of each label at least")
    return learned, held


def _lines(examples: Sequence[Example]) -> list[str]:
    return normalised(pl.Series([each.text for each in examples], dtype=pl.String)).to_list()


def _fit(examples: Sequence[Example], out: Path, seed: int) -> None:
    """Train on the sentences and write the model."""
    lines: list[str] = []
    for example, line in zip(examples, _lines(examples), strict=True):
        labels = " ".join(f"__label__{label}" for label in example.labels or (NONE,))
        lines.extend([f"{labels} {line}"] * (WRITTEN_WEIGHT if example.written else 1))
    random.Random(seed).shuffle(lines)
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "text"
        text.write_text("\n".join(lines) + "\n", encoding="utf-8")
        fit({**SETTINGS, "seed": seed}, text, out)


def _fit_net(examples: Sequence[Example], labels: Sequence[str], seed: int) -> dict[str, npt.NDArray[np.float32]]:
    """A net trained on the written sentences and a share of the drawn ones, in half precision."""
    drawn = [each for each in examples if not each.written]
    shown = [each for each in examples if each.written] + drawn[::DRAWN_EVERY]
    truth = np.array([[label in each.labels for label in labels] for each in shown], dtype=np.float32)
    shares = np.array([1.0 if each.written else DRAWN_SHARE for each in shown], dtype=np.float32)
    weights = fit_net(_lines(shown), truth, shares, vectors(), seed)
    return {name: each.astype(np.float16).astype(np.float32) for name, each in weights.items()}


def _write_net(weights: Mapping[str, npt.NDArray[np.float32]], path: Path) -> str:
    """Write a net in half precision and return the sha256 of the file."""
    content = io.BytesIO()
    arrays: dict[str, Any] = {name: each.astype(np.float16) for name, each in weights.items()}
    np.savez_compressed(content, **arrays)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(content.getvalue())
    temporary.replace(path)
    return hashlib.sha256(content.getvalue()).hexdigest()


def _check_numbers(scores: npt.NDArray[np.float32]) -> None:
    if not np.isfinite(scores).all() or float(scores.max(initial=0.0)) == float(scores.min(initial=1.0)):
        raise GateError("training failed: the model gives no probabilities; try again, or with another --seed")


def _thresholds(
    scores: npt.NDArray[np.float32],
    held: Sequence[Example],
    labels: Sequence[str],
    precision: float,
    floors: Mapping[str, float],
) -> dict[str, float]:
    """For each label the least threshold that reaches the precision on held-out sentences."""
    limits: dict[str, float] = {}
    for column, label in enumerate(labels):
        truth = np.array([label in each.labels for each in held])
        order = np.argsort(-scores[:, column], kind="stable")
        reached = np.cumsum(truth[order]) / np.arange(1, len(order) + 1)
        enough = np.flatnonzero(reached >= precision)
        if not len(enough):
            raise PhrasemillError(f"label {label!r} reaches no precision of {precision} at any threshold")
        limit = float(scores[order[enough[-1]], column])
        limits[label] = math.floor(max(limit, floors.get(label, 0.5)) * 1000) / 1000
    return limits


def _score(
    scores: npt.NDArray[np.float32], examples: Sequence[Example], labels: Sequence[str], limits: Mapping[str, float]
) -> list[LabelScore]:
    result: list[LabelScore] = []
    for column, label in enumerate(labels):
        truth = np.array([label in each.labels for each in examples], dtype=np.bool_)
        hit = scores[:, column] >= limits[label]
        counts = (int((truth & hit).sum()), int((~truth & hit).sum()), int((truth & ~hit).sum()))
        result.append(LabelScore(label, limits[label], *counts))
    return result
