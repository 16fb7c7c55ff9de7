"""A small net over word vectors: knows words by what they are like, where fastText knows only those it was shown.

Windows of one, two and three words are compared with learnt patterns, and the best match of each pattern in the
sentence counts. The vectors were distilled from a sentence encoder and are shared by all nets: ``models/README.md``.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from phrasemill.filters.checked_file import checked_content
from phrasemill.schemas.errors import PluginError

VECTORS: Final = Path(__file__).parent / "models" / "vectors-en.npz"
"""The word vectors that ship with the package."""

VECTORS_SHA256: Final = "0393eb120baf19bc82f2e0b09cd11c481d6eafe5a6c190bd0029b1a0718932ff"
"""Of the content of ``VECTORS``."""

WIDTHS: Final = (1, 2, 3)
"""Words per window."""

MAX_WORDS: Final = 48
"""Words of a sentence that are read. With more, BLAS takes several threads, and waits for them."""

_BATCH: Final = 256

Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int32]
Weights = Mapping[str, Floats]


class Vectors(NamedTuple):
    """Words in the order of their numbers, and a row for each; the last row is 0 and stands for every other word."""

    words: pl.DataFrame
    rows: Floats

    @property
    def other(self) -> int:
        """The number of words that have no vector."""
        return len(self.rows) - 1


def read_arrays(content: bytes, name: Path) -> dict[str, npt.NDArray[np.generic]]:
    """The arrays of an npz file whose content was checked. PluginError: it is none."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except (ValueError, zipfile.BadZipFile, KeyError) as error:
        raise PluginError(f"{name}: not an npz file of arrays: {error}") from error


def read_weights(content: bytes, name: Path) -> Weights:
    """The weights of a net. PluginError: the content is no npz file, or one of something else."""
    arrays = read_arrays(content, name)
    wanted = {"out", "out_bias", *(f"{kind}{width}" for kind in ("window", "bias") for width in WIDTHS)}
    if set(arrays) != wanted:
        raise PluginError(f"{name}: expected the arrays {', '.join(sorted(wanted))}, got {', '.join(sorted(arrays))}")
    return {key: array.astype(np.float32) for key, array in arrays.items()}


@cache
def vectors() -> Vectors:
    """The shipped word vectors. IntegrityError: the file is not the one that this version was made with."""
    arrays = read_arrays(checked_content(VECTORS, VECTORS_SHA256), VECTORS)
    words = bytes(arrays["words"]).decode().split("\n")
    rows = arrays["vectors"].astype(np.float32) * np.float32(arrays["scale"])
    table = pl.DataFrame({"word": words, "number": np.arange(len(words), dtype=np.int32)})
    return Vectors(table, np.vstack([rows, np.zeros((1, rows.shape[1]), dtype=np.float32)]))


def numbered(lines: pl.Series, known: Vectors) -> tuple[Numbers, npt.NDArray[np.int64]]:
    """Word numbers of all lines in one row, and where each line ends in it. Words without a vector are left out."""
    table = lines.alias("line").to_frame().with_row_index("row").with_columns(pl.col("line").str.split(" "))
    found = (
        table.explode("line")
        .join(known.words, left_on="line", right_on="word", how="inner", maintain_order="left")
        .group_by("row", maintain_order=True)
        .head(MAX_WORDS)
    )
    counts = np.bincount(found["row"].to_numpy(), minlength=len(lines))
    return found["number"].to_numpy(), np.cumsum(counts)


def padded(numbers: Numbers, ends: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], other: int) -> Numbers:
    """The numbers of some lines, one row each, filled up with ``other``; no row is narrower than a window."""
    begins = np.where(rows > 0, ends[rows - 1], 0)
    lengths = ends[rows] - begins
    places = np.arange(max(WIDTHS[-1], int(lengths.max(initial=0))))
    inside = places[None, :] < lengths[:, None]
    taken = np.where(inside, begins[:, None] + places[None, :], 0)
    return np.where(inside, numbers[taken] if len(numbers) else other, other).astype(np.int32)


def windows(inputs: Floats, width: int) -> Floats:
    """All windows of some words: sentences x places x (width x dimensions)."""
    last = inputs.shape[1] - width + 1
    return np.concatenate([inputs[:, at : last + at] for at in range(width)], axis=2)


def probabilities(weights: Weights, known: Vectors, lines: pl.Series) -> Floats:
    """One row per line, one column per label; the lines are normalised. A line without a known word has 0 for all."""
    numbers, ends = numbered(lines, known)
    lengths = np.diff(ends, prepend=0)
    order = np.argsort(lengths, kind="stable")
    result = np.zeros((len(lines), len(weights["out_bias"])), dtype=np.float32)
    for first in range(0, len(order), _BATCH):
        rows = order[first : first + _BATCH]
        inputs = known.rows[padded(numbers, ends, rows, known.other)]
        best = [
            np.maximum((windows(inputs, width) @ weights[f"window{width}"]).max(axis=1) + weights[f"bias{width}"], 0.0)
            for width in WIDTHS
        ]
        result[rows] = 1.0 / (1.0 + np.exp(-(np.concatenate(best, axis=1) @ weights["out"] + weights["out_bias"])))
    result[lengths == 0] = 0.0
    return result
