"""How far messages lie apart: near-duplicates among them, and figures of their spread.

Two messages are compared by their content: words that carry it, in a rough stem, and each two of them in a row. So
"How do I bake bread?" and "How can I bake a bread?" are the same, and "the capital of France" and "of Spain" are not.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
from blake3 import blake3
from rensa import RMinHash

from phrasemill.generators.recipes.query_lines import bucket

NEAR_DUPLICATE: Final = "near_duplicate"

SIMILAR: Final = 0.6
"""Share of content that two messages have in common (Jaccard) from which they are near-duplicates."""

PERMUTATIONS: Final = 128
ROWS: Final = 4
"""Values of the MinHash in a band. With 32 bands two messages meet in one with a chance of 0.99 where they share 0.6 of
their content, of 0.003 where they share a tenth: what is looked up stays short however many are known."""

SAMPLE: Final = 1_000
"""So many messages, evenly spaced, are held against all others for the mean similarity."""

_SEED: Final = 1
_WORDS: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_]+(?:['\u2019][^\W_]+)*")
_EMPTY: Final = frozenset(
    _WORDS.findall(
        "a an the this that these those i me my mine myself we us our you your yours he him his she her it "
        "its they them their there here what which who whom whose when where why how is am are was were be "
        "been being do does did doing done have has had having can could may might must shall should will "
        "would to of in on at by for with from into about as and or but if so than then not no any some such "
        "just really very please thanks thank hi hello hey i'm i've i'd i'll it's that's what's don't doesn't "
        "didn't can't couldn't won't wouldn't isn't aren't wasn't you're we're they're let's also too more "
        "most much many up out over "
    )
)
"""Words without content. Where a message has no others ("Who are you?"), all of its words count."""

_SUFFIXES: Final = ("ing", "ies", "es", "ed", "s", "e", "y")


def content(text: str) -> frozenset[str]:
    """What a message is compared by: stems of its content words, and each two of them in a row."""
    words = [word.replace("\u2019", "'") for word in _WORDS.findall(text.casefold())]
    stems = [_stem(word) for word in words if word not in _EMPTY] or words
    return frozenset(stems) | {f"{first} {second}" for first, second in pairwise(stems)}


class Known:
    """Messages that were taken. Both time and memory grow with their number, not its square; the order decides."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._contents: list[frozenset[str]] = []
        self._buckets: defaultdict[bytes, list[int]] = defaultdict(list)

    def __len__(self) -> int:
        """How many were taken."""
        return len(self._contents)

    def add(self, text: str) -> str:
        """Take a message and return an empty text; or ``near_duplicate`` where a known one says nearly the same."""
        features = content(text)
        names = _bands(features)
        candidates = {index for name in names for index in self._buckets.get(name, ())}
        if any(_shared(features, self._contents[index]) >= SIMILAR for index in candidates):
            return NEAR_DUPLICATE
        for name in names:
            self._buckets[name].append(len(self._contents))
        self._contents.append(features)
        return ""


@dataclass(frozen=True, slots=True)
class Spread:
    """Figures of a set of messages.

    ``similarity``: mean share of content in common with the nearest other message, 0 to 1. ``trigrams``: distinct runs
    of three words over all of them. ``openings``: entropy of the first word, in bits. ``lengths``: messages of each
    length, as measured.
    """

    messages: int
    similarity: float
    trigrams: float
    openings: float
    lengths: dict[str, int]

    def summary(self) -> str:
        """One line."""
        lengths = ", ".join(f"{count:,} {name}" for name, count in self.lengths.items())
        return (
            f"{self.messages:,} messages ({lengths}): nearest other {self.similarity:.2f} alike, "
            f"{self.trigrams:.0%} of runs of three words distinct, first words {self.openings:.1f} bits"
        )


def spread(texts: Sequence[str]) -> Spread:
    """The figures of all messages; of none, zeros."""
    lengths = {"short": 0, "medium": 0, "long": 0}
    first: Counter[str] = Counter()
    runs: Counter[tuple[str, ...]] = Counter()
    for text in texts:
        words = _WORDS.findall(text.casefold())
        lengths[bucket(text)] += 1
        first.update(words[:1])
        runs.update(zip(words, words[1:], words[2:], strict=False))
    total = runs.total()
    return Spread(len(texts), _nearest(texts), len(runs) / total if total else 0.0, _entropy(first), lengths)


def _stem(word: str) -> str:
    """The word without an ending of English; at least three letters stay, so that "bus" is no "bu"."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word[: -len(suffix)]
    return word


def _shared(left: frozenset[str], right: frozenset[str]) -> float:
    """Shared features over all features of both; of two empty messages all."""
    return len(left & right) / len(left | right) if left or right else 1.0


def _bands(features: frozenset[str]) -> list[bytes]:
    """The names of the buckets of a message."""
    # The order of a set of strings differs from process to process; that of its hashes must not.
    hashed = sorted(int.from_bytes(blake3(feature.encode()).digest(length=8)) for feature in features)
    borders = np.array([0, len(hashed)], dtype=np.uint64)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(
        np.array(hashed, dtype=np.uint64), borders, PERMUTATIONS, _SEED
    )
    digest = np.array(matrix.to_rows()[0], dtype=np.uint32)
    return [band.to_bytes(2) + digest[at : at + ROWS].tobytes() for band, at in enumerate(range(0, PERMUTATIONS, ROWS))]


def _nearest(texts: Sequence[str]) -> float:
    """Mean similarity of a sample of the messages to the nearest other one, by an index from features to messages."""
    if len(texts) < 2:
        return 0.0
    contents = [content(text) for text in texts]
    sizes = np.array([len(features) for features in contents])
    places: defaultdict[str, list[int]] = defaultdict(list)
    for index, features in enumerate(contents):
        for feature in features:
            places[feature].append(index)
    index_of = {feature: np.array(where) for feature, where in places.items() if len(where) > 1}
    chosen = np.unique(np.linspace(0, len(texts) - 1, min(SAMPLE, len(texts))).astype(np.int64))
    return float(np.mean([_best(int(at), contents[at], index_of, sizes) for at in chosen]))


def _best(
    at: int, features: frozenset[str], index_of: dict[str, npt.NDArray[np.int64]], sizes: npt.NDArray[np.int64]
) -> float:
    found = [index_of[feature] for feature in features if feature in index_of]
    if not found:
        return 0.0
    common = np.bincount(np.concatenate(found), minlength=len(sizes))
    common[at] = 0
    shares: npt.NDArray[np.float64] = common / np.maximum(sizes + len(features) - common, 1)
    return float(shares.max())


def _entropy(counts: Counter[str]) -> float:
    total = counts.total()
    return -math.fsum(count / total * math.log2(count / total) for count in counts.values())
