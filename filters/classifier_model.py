"""Sentence models: loaded only with a record that vouches for their files, asked in lists.

A model is one of fastText alone, or of fastText with a net over word vectors beside it: then the net gives a second
opinion on the sentences that fastText finds likely, and both must be fairly sure.

fastText loads a truncated or damaged file without a word and then answers differently. So beside every model
``NAME.bin`` lies its record ``NAME.json`` with the sha256 of the file (and of ``NAME.npz``, the net), and the file is
hashed before fastText sees it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from phrasemill.filters.checked_file import checked_content
from phrasemill.filters.word_net import Weights, probabilities, read_weights, vectors
from phrasemill.schemas.errors import PluginError

SHIPPED: Final = Path(__file__).parent / "models" / "sentences-en.bin"
"""The model that ships with the package."""

CATEGORIES: Final = ("ai_self_reference", "refusal", "sycophancy", "moralising")
"""Labels that a model may have, in the order of its columns; a sentence may have several."""

NONE: Final = "none"
"""The label of sentences that are none of these."""

MAX_CHARS: Final = 400
"""More of a sentence than this is not read: what it does is said by then, and lists run on."""

LIKELY: Final = 0.2
"""The probability of fastText from which the net is asked."""

_LEAST: Final = 1e-4
"""Surer than this nobody is taken to be."""

Scores = npt.NDArray[np.float32]


class Record(BaseModel):
    """What is known of a model. ``thresholds``: probability from which a label counts; ``net``: sha256 of its net."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    normaliser: int
    labels: tuple[str, ...] = Field(min_length=1)
    thresholds: Mapping[str, float]
    net: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    trained: Mapping[str, Any] = {}


NORMALISER: Final = 2
"""Version of ``normalised``: a model reads only text that was prepared as its training text was."""

_STEPS: Final[tuple[tuple[str, str], ...]] = (
    (r"\"[^\"]{2,}\"|\x{201c}[^\x{201c}\x{201d}]{2,}\x{201d}", " "),
    (r"[\x{2018}\x{2019}\x{02bc}`\x{00b4}]", "'"),
    (r"[\x{200b}-\x{200d}\x{00ad}\x{2060}\x{feff}]", ""),
    (r"[*_#~\"\x{201c}\x{201d}<>|\\]", " "),
    (r"[0-9]+", "0"),
    (r"\bcan'?t\b|\bcannot\b", "can not"),
    (r"\bwon't\b", "will not"),
    (r"n't\b", " not"),
    (r"\bi'm\b", "i am"),
    (r"'re\b", " are"),
    (r"'ve\b", " have"),
    (r"'ll\b", " will"),
    (r"'d\b", " would"),
    (r"\b(it|that|this|what|there|here|he|she)'s\b", "$1 is"),
    (r"\ba\.i\.", "ai"),
    (r"([^\w\s'])", " $1 "),
    (r"'", " ' "),
    (r"\s+", " "),
)


def normalised(sentences: pl.Series) -> pl.Series:
    """What a model reads of each sentence: one line, small letters, words and marks apart, contractions written out.

    What stands in double quotes is left out: it is not said but cited.
    """
    text = sentences.str.slice(0, MAX_CHARS).str.to_lowercase()
    for pattern, replacement in _STEPS:
        text = text.str.replace_all(pattern, replacement)
    return text.str.strip_chars()


def record_path(model: Path) -> Path:
    """Where the record of a model file lies."""
    return model.with_suffix(".json")


def net_path(model: Path) -> Path:
    """Where the net of a model file lies, if it has one."""
    return model.with_suffix(".npz")


def read_record(model: Path) -> Record:
    """The record beside a model file. PluginError: there is none, or it does not fit."""
    path = record_path(model)
    try:
        record = Record.model_validate_json(path.read_bytes())
    except OSError as error:
        raise PluginError(
            f"{path}: {error.strerror}; a model needs its record beside it: train one with phrasemill classifier train"
        ) from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'record'}: {e['msg']}" for e in error.errors())
        raise PluginError(f"{path}: not the record of a model: {wrong}") from error
    if record.normaliser != NORMALISER:
        raise PluginError(
            f"{path}: made for normaliser {record.normaliser}, this phrasemill has {NORMALISER}; train the model anew"
        )
    unknown = sorted({*record.labels, *record.thresholds} - set(CATEGORIES))
    if unknown or set(record.labels) != set(record.thresholds):
        raise PluginError(
            f"{path}: expected labels of {', '.join(CATEGORIES)} and a threshold for each, "
            f"got {', '.join(record.labels)} and thresholds for {', '.join(record.thresholds)}"
        )
    return record


class SentenceModel:
    """A model file that its record vouches for. Loaded when first asked; pickles as its path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.record = read_record(path)

    def __reduce__(self) -> tuple[type[SentenceModel], tuple[Path]]:
        return type(self), (self.path,)

    @cached_property
    def _model(self) -> Any:
        checked_content(self.path, self.record.sha256)
        return load(self.path)

    @cached_property
    def _net(self) -> Weights | None:
        path = net_path(self.path)
        return None if self.record.net is None else read_weights(checked_content(path, self.record.net), path)

    def scores(self, sentences: pl.Series) -> Scores:
        """The probability of every label of the record, in its order: one row per sentence, one column per label."""
        return opinion(self._model, self._net, self.record.labels, normalised(sentences))


def load(path: Path) -> Any:
    """The model in a file whose content was checked. PluginError: fastText refuses it."""
    import fasttext_pybind  # type: ignore[import-not-found]

    model = fasttext_pybind.fasttext()
    try:
        model.loadModel(str(path))
    except (ValueError, RuntimeError) as error:
        raise PluginError(f"{path}: fastText does not load it: {error}") from error
    return model


def predict(model: Any, labels: Sequence[str], lines: list[str], least: float = 0.0) -> Scores:
    """One row per line, one column per label, 0 below ``least``; the lines are normalised: none holds a line break."""
    scores = np.zeros((len(lines), len(labels)), dtype=np.float32)
    if not lines:
        return scores
    found, values = model.multilinePredict([line + "\n" for line in lines], len(labels) + 1, least, "strict")
    counts = np.fromiter(map(len, found), dtype=np.int64, count=len(found))
    column = {f"__label__{label}": number for number, label in enumerate(labels)}
    columns = np.array([column.get(name, -1) for names in found for name in names], dtype=np.int64)
    rows = np.repeat(np.arange(len(lines)), counts)
    flat = np.concatenate([np.asarray(each, dtype=np.float32) for each in values]) if len(values) else scores[:0, 0]
    known = columns >= 0
    scores[rows[known], columns[known]] = np.clip(flat[known], 0.0, 1.0)
    return scores


def opinion(model: Any, net: Weights | None, labels: Sequence[str], lines: pl.Series) -> Scores:
    """The probability of every label for each normalised line; below ``LIKELY`` a net is not asked, and it is 0."""
    first = predict(model, labels, lines.to_list(), 0.0 if net is None else LIKELY)
    if net is None:
        return first
    rows = np.flatnonzero((first >= LIKELY).any(axis=1))
    second = probabilities(net, vectors(), lines.gather(rows))
    scores = np.zeros_like(first)
    both = 1.0 / (1.0 + np.exp(-(_log_odds(first[rows]) + _log_odds(second)) / 2))
    scores[rows] = np.where(first[rows] >= LIKELY, both, 0.0)
    return scores


def _log_odds(probability: Scores) -> Scores:
    near = np.clip(probability, _LEAST, 1 - _LEAST)
    odds: Scores = np.log(near / (1 - near))
    return odds
