"""Labelled sentences from a user's files: JSON lines, Parquet or TSV with the columns text and label, or verdicts.

A file of verdicts (``.csv``, as ``phrasemill sample`` writes it and a person fills it in) labels sentences of what
stood there before. ``false positive``: a sentence in which all hits are named is none of these. ``edit``: a sentence
with a hit that is gone from the person's text is what it was found to be. ``keep`` and ``drop`` judge a whole row, for
reasons that need not be the sentence, and label nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from phrasemill.engine.classifier_text import Example
from phrasemill.engine.overrides import load_overrides, read_verdicts
from phrasemill.filters.classifier_model import CATEGORIES, NONE
from phrasemill.filters.sentences import split
from phrasemill.schemas.errors import InputError

SEPARATOR = "+"
"""Between the labels of one sentence, as in ``ai_self_reference+refusal``."""

_HIT: Final = re.compile(r"(\S+) ([0-9]{1,9}):([0-9]{1,9}) (\S+)")


class _Hit(NamedTuple):
    category: str
    start: int
    stop: int
    rule_id: str


def read_examples(paths: Sequence[Path]) -> list[Example]:
    """All sentences of the files, in order, each once. InputError: a file or a label that cannot be used."""
    examples: dict[str, Example] = {}
    for path in paths:
        rows = _judged(path) if path.suffix == ".csv" else enumerate(_table(path).iter_rows(), start=1)
        for line, (text, label) in rows:
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
            raise InputError(f"{path}: expected a file that ends in .jsonl, .parquet, .tsv or .csv")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    missing = sorted({"text", "label"} - set(table.columns))
    if missing:
        raise InputError(f"{path}: expected the columns text and label, got {', '.join(table.columns) or 'none'}")
    return table.select(pl.col("text", "label").cast(pl.String))


def _judged(path: Path) -> Iterator[tuple[int, tuple[str, str]]]:
    """Sentences of a file of verdicts with their label, and the line of each. ConfigError: the file cannot be used."""
    load_overrides(path)
    for line, row in read_verdicts(path):
        verdict = row["verdict"].strip().lower()
        hits = [hit for hit in _hits(path, line, row.get("hits", "")) if hit.category in CATEGORIES]
        before = row.get("before", "")
        if verdict not in ("false positive", "edit") or not hits:
            continue
        named = {rule.strip() for rule in row["rule_ids"].split(",")} - {""} or {hit.rule_id for hit in hits}
        for start, stop in split(before):
            sentence = before[start:stop].strip()
            inside = [hit for hit in hits if hit.start < stop and start < hit.stop]
            if not inside or not sentence:
                continue
            if verdict == "edit" and sentence not in row["edit"]:
                labels = {hit.category for hit in inside}
                yield line, (sentence, SEPARATOR.join(name for name in CATEGORIES if name in labels))
            elif verdict == "false positive" and all(hit.rule_id in named for hit in inside):
                yield line, (sentence, NONE)


def _hits(path: Path, line: int, cell: str) -> Iterator[_Hit]:
    for part in cell.split(";") if cell.strip() else ():
        found = _HIT.fullmatch(part.strip())
        if found is None:
            raise InputError(f"{path}:{line}: hits: got {part.strip()!r}, expected category start:stop rule")
        yield _Hit(found[1], int(found[2]), int(found[3]), found[4])
