"""Labelled sentences from a user's files: JSON lines, Parquet or TSV with the columns text and label."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from phrasemill.engine.classifier_text import Example
from phrasemill.filters.classifier_model import CATEGORIES, NONE
from phrasemill.schemas.errors import InputError

SEPARATOR = "+"
"""Between the labels of one sentence, as in ``ai_self_reference+refusal``."""


def read_examples(paths: Sequence[Path]) -> list[Example]:
    """All sentences of the files, in order, each once. InputError: a file or a label that cannot be used."""
    examples: dict[str, Example] = {}
    for path in paths:
        table = _table(path)
        for line, (text, label) in enumerate(table.iter_rows(), start=1):
            if text is None or not text.strip():
                raise InputError(f"{path}: row {line} has no text")
            labels = () if label == NONE else tuple(str(label).split(SEPARATOR))
            unknown = sorted(set(labels) - set(CATEGORIES))
            if unknown:
                raise InputError(
                    f"{path}: row {line} has the label {label!r}; expected {NONE}, {', '.join(CATEGORIES)}, "
                    f"or several of them joined by {SEPARATOR!r}"
                )
            known = examples.setdefault(text, Example(text, labels, True))
            if set(known.labels) != set(labels):
                raise InputError(f"{path}: row {line} repeats a sentence with another label, {label!r}: {text[:80]!r}")
    return list(examples.values())


def _table(path: Path) -> pl.DataFrame:
    """The columns text and label of a file, as text."""
    try:
        if path.suffix == ".parquet":
            table = pl.read_parquet(path, glob=False)
        elif path.suffix in {".jsonl", ".ndjson"}:
            table = pl.read_ndjson(path)
        elif path.suffix in {".tsv", ".txt"}:
            table = pl.read_csv(path, separator="\t", quote_char=None, infer_schema=False)
        else:
            raise InputError(f"{path}: expected a file that ends in .jsonl, .parquet or .tsv")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    missing = sorted({"text", "label"} - set(table.columns))
    if missing:
        raise InputError(f"{path}: expected the columns text and label, got {', '.join(table.columns) or 'none'}")
    return table.select(pl.col("text", "label").cast(pl.String))
