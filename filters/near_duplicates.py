"""Near-duplicate answers: MinHash over five-word shingles, and buckets of equal bands that hold likely twins."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rensa import RMinHash

from phrasemill.filters.words import words_of

SHINGLE: Final = 5
PERMUTATIONS: Final = 64
BANDS: Final = 8
ROWS: Final = PERMUTATIONS // BANDS
"""Two texts share a bucket with a chance of one half where their shingles overlap by about 0.75, and 0.99 at 0.9."""

LEAST_SHINGLES: Final = 20
"""Shorter answers are alike by nature ("42", "The capital is Paris.")."""

_SEED: Final = 1
_STEP: Final = np.uint64(0x0100_0193_0100_0193)


def digests(texts: pa.LargeStringArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]:
    """Indices of the texts that are long enough, and their MinHash: ``(n, PERMUTATIONS)``."""
    kept: list[npt.NDArray[np.int64]] = []
    rows: list[npt.NDArray[np.uint32]] = []
    for words in words_of(texts):
        counts = np.diff(words.borders) - (SHINGLE - 1)
        long = np.flatnonzero(counts >= LEAST_SHINGLES)
        if not len(long):
            continue
        hashed = _shingles(words.hash)
        parts = [hashed[words.borders[at] : words.borders[at] + counts[at]] for at in long]
        offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.uint64)
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(np.concatenate(parts), offsets, PERMUTATIONS, _SEED)
        kept.append(long + words.first)
        rows.append(np.array(matrix.to_rows(), dtype=np.uint32))
    if not kept:
        return np.zeros(0, dtype=np.int64), np.zeros((0, PERMUTATIONS), dtype=np.uint32)
    return np.concatenate(kept), np.concatenate(rows)


def _shingles(hashed: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Hash of each word with the ones that follow it; the last few of a chunk are cut short and never asked for."""
    total = hashed.copy()
    for step in range(1, SHINGLE):
        total *= _STEP
        total[:-step] += hashed[step:]
    return total


def bands(matrix: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint64]:
    """The bucket of each band of each digest: ``(n, BANDS)``."""
    parts = matrix.astype(np.uint64).reshape(len(matrix), BANDS, ROWS)
    total = np.arange(1, BANDS + 1, dtype=np.uint64)[None, :] * _STEP
    for row in range(ROWS):
        total = (total ^ parts[:, :, row]) * _STEP
        total ^= total >> np.uint64(31)
    return total


def similarity(left: npt.NDArray[np.uint32], right: npt.NDArray[np.uint32]) -> npt.NDArray[np.float64]:
    """Estimated share of shingles that two texts have in common, row by row."""
    shares: npt.NDArray[np.float64] = (left == right).mean(axis=1)
    return shares
