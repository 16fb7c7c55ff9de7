"""Training of the net over word vectors: numpy alone, Adam, one seed. The same sentences give the same net."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from phrasemill.filters.word_net import WIDTHS, Floats, Numbers, Vectors, numbered, padded, windows

PATTERNS: Final = 96
"""Patterns per width of window."""

EPOCHS: Final = 10
BATCH: Final = 64
RATE: Final = 2e-3
DECAY: Final = 1e-4
DROPPED: Final = 0.4
"""Share of the pattern scores that a step does not see."""
HIDDEN_WORDS: Final = 0.1
"""Share of the words that a step does not see."""


def fit_net(lines: Sequence[str], labels: Floats, shares: Floats, known: Vectors, seed: int) -> dict[str, Floats]:
    """The weights of a net. ``labels``: a row of 0 and 1 per line; ``shares``: how much each line counts."""
    chance = np.random.default_rng(seed)
    numbers, ends = numbered(pl.Series(lines, dtype=pl.String), known)
    lengths = np.diff(ends, prepend=0)
    weights = _start(known.rows.shape[1], labels.shape[1], chance)
    means = {name: np.zeros_like(each) for name, each in weights.items()}
    squares = {name: np.zeros_like(each) for name, each in weights.items()}
    steps = EPOCHS * -(-len(lines) // BATCH)
    step = 0
    for _ in range(EPOCHS):
        for rows in _batches(lengths, chance):
            step += 1
            inputs = padded(numbers, ends, rows, known.other)
            slopes = _slopes(weights, known, inputs, labels[rows], shares[rows], chance)
            rate = RATE * (1 - step / (steps + 1))
            for name, slope in slopes.items():
                means[name] = 0.9 * means[name] + 0.1 * slope
                squares[name] = 0.99 * squares[name] + 0.01 * slope * slope
                move = means[name] / (1 - 0.9**step) / (np.sqrt(squares[name] / (1 - 0.99**step)) + 1e-8)
                weights[name] -= (rate * (move + DECAY * weights[name])).astype(np.float32)
    return weights


def _start(dimensions: int, labels: int, chance: np.random.Generator) -> dict[str, Floats]:
    weights: dict[str, Floats] = {}
    for width in WIDTHS:
        size = width * dimensions
        spread = 1.4 / np.sqrt(size)
        weights[f"window{width}"] = (chance.standard_normal((size, PATTERNS)) * spread).astype(np.float32)
        weights[f"bias{width}"] = np.zeros(PATTERNS, dtype=np.float32)
    weights["out"] = (chance.standard_normal((PATTERNS * len(WIDTHS), labels)) * 0.1).astype(np.float32)
    weights["out_bias"] = np.full(labels, -1.0, dtype=np.float32)
    return weights


def _batches(lengths: npt.NDArray[np.int64], chance: np.random.Generator) -> list[npt.NDArray[np.int64]]:
    """All lines in a new order, lines of about the same length together."""
    order = chance.permutation(len(lengths))
    order = order[np.argsort((lengths[order] + chance.random(len(order)) * 8) // 4, kind="stable")]
    batches = [order[first : first + BATCH] for first in range(0, len(order), BATCH)]
    return [batches[at] for at in chance.permutation(len(batches))]


def _slopes(
    weights: dict[str, Floats],
    known: Vectors,
    numbers: Numbers,
    labels: Floats,
    shares: Floats,
    chance: np.random.Generator,
) -> dict[str, Floats]:
    """How the loss of a batch (cross entropy of every label by itself) changes with each weight."""
    hidden = chance.random(numbers.shape) < HIDDEN_WORDS
    inputs = known.rows[np.where(hidden, known.other, numbers)]
    seen = [windows(inputs, width) for width in WIDTHS]
    matches = [each @ weights[f"window{width}"] for each, width in zip(seen, WIDTHS, strict=True)]
    places = [each.argmax(axis=1) for each in matches]
    best = [
        np.take_along_axis(each, place[:, None, :], axis=1)[:, 0] + weights[f"bias{width}"]
        for each, place, width in zip(matches, places, WIDTHS, strict=True)
    ]
    kept = (chance.random((len(labels), PATTERNS * len(WIDTHS))) > DROPPED).astype(np.float32) / (1 - DROPPED)
    heights = np.maximum(np.concatenate(best, axis=1), 0.0) * kept
    guess = 1.0 / (1.0 + np.exp(-(heights @ weights["out"] + weights["out_bias"])))
    error = ((guess - labels) * shares[:, None] / len(labels)).astype(np.float32)
    slopes = {"out": heights.T @ error, "out_bias": error.sum(axis=0)}
    back = (error @ weights["out"].T) * kept
    for at, width in enumerate(WIDTHS):
        share = back[:, at * PATTERNS : (at + 1) * PATTERNS] * (best[at] > 0)
        shown = seen[at][np.arange(len(labels))[:, None], places[at]]
        slopes[f"window{width}"] = np.einsum("bf,bfd->df", share, shown)
        slopes[f"bias{width}"] = share.sum(axis=0)
    return slopes
