"""A small model of one trait: how likely an answer shows it, by its words alone. Loaded only with its record.

fastText loads a damaged file without a word and then answers differently: beside ``NAME.bin`` lies ``NAME.json`` with
the sha256 of the file, which is hashed before fastText sees it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from phrasemill.filters.checked_file import checked_content
from phrasemill.filters.classifier_model import load, predict, record_path
from phrasemill.schemas.errors import PluginError

SHOWN: Final = "shown"
"""The label of answers that show the trait."""

ABSENT: Final = "absent"

PREPARATION: Final = 1
"""Version of ``prepared``: a model reads only text that was prepared as its training text was."""

MAX_CHARS: Final = 4_000
"""More of an answer than this is not read."""

_STEPS: Final[tuple[tuple[str, str], ...]] = (
    (r"[\x{2018}\x{2019}`\x{00b4}]", "'"),
    (r"\n\s*\n\s*", " :paragraph: "),
    (r"\n", " :line: "),
    (r"__+", " "),
    (r"[0-9]+", "0"),
    (r"([^\w\s':])", " $1 "),
    (r"\s+", " "),
)


class TraitRecord(BaseModel):
    """What is known of a model. Counts are of pairs; ``learned`` and ``held_out`` share no prompt.

    ``agreement``: share of held-out pairs whose chosen side is the likelier one; ``accuracy``: share of held-out
    answers on the right side of one half. ``length_auc``: what the length of an answer alone would reach.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    preparation: int
    trait_id: str
    trait_hash: str
    learned: int = Field(ge=0)
    held_out: int = Field(ge=0)
    agreement: float = Field(ge=0.0, le=1.0)
    agreement_interval: tuple[float, float]
    accuracy: float = Field(ge=0.0, le=1.0)
    accuracy_interval: tuple[float, float]
    auc: float = Field(ge=0.0, le=1.0)
    auc_interval: tuple[float, float]
    length_auc: float = Field(ge=0.0, le=1.0)
    seed: int


class TraitModel:
    """A model file that its record vouches for; loaded when first asked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.record = read_record(path)

    @cached_property
    def _model(self) -> Any:
        checked_content(self.path, self.record.sha256)
        return load(self.path)

    def probabilities(self, answers: Sequence[str]) -> npt.NDArray[np.float64]:
        """How likely each answer shows the trait, 0 to 1; NaN where the model gives no number."""
        return likely(self._model, answers)


def prepared(answers: pl.Series) -> pl.Series:
    """What a model reads of each answer: one line, words and marks apart, breaks as words of their own.

    Double underscores go: they begin what fastText takes for a label.
    """
    text = answers.str.slice(0, MAX_CHARS).str.strip_chars().str.to_lowercase()
    for pattern, replacement in _STEPS:
        text = text.str.replace_all(pattern, replacement)
    return text.str.strip_chars()


def likely(model: Any, answers: Sequence[str]) -> npt.NDArray[np.float64]:
    """How likely each answer shows the trait, by a model that fastText has loaded."""
    lines = prepared(pl.Series(list(answers), dtype=pl.String)).to_list()
    return predict(model, (SHOWN,), lines)[:, 0].astype(np.float64)


def read_record(model: Path) -> TraitRecord:
    """The record beside a model file.

    Raises:
        PluginError: there is none, or it does not fit.
    """
    path = record_path(model)
    try:
        record = TraitRecord.model_validate_json(path.read_bytes())
    except OSError as error:
        raise PluginError(
            f"{path}: {error.strerror}; a model needs its record beside it: train one with phrasemill judge train"
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "record"
        raise PluginError(f"{path}: not the record of a trait's model: {place}: {first['msg']}") from error
    if record.preparation != PREPARATION:
        raise PluginError(
            f"{path}: made for preparation {record.preparation}, this phrasemill has {PREPARATION}; train it anew"
        )
    return record


def find_records(path: str | Path) -> list[tuple[Path, TraitRecord]]:
    """The model file that ``path`` is, or those in the folder that it is (``*.bin``), each with its record.

    Raises:
        PluginError: there is none, a record does not fit, or two are of one trait.
    """
    path = Path(path)
    files = sorted(path.glob("*.bin")) if path.is_dir() else [path]
    if not files:
        raise PluginError(f"judge.path: {path}: no model in this folder; expected files of phrasemill judge train")
    found = [(file, read_record(file)) for file in files]
    names = [record.trait_id for _, record in found]
    for name in names:
        if names.count(name) > 1:
            raise PluginError(f"judge.path: {path}: got {names.count(name)} models of the trait {name}, expected one")
    return found
