"""Rows that are well formed and say odd things."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.hostile.case import (
    ANSWER,
    Case,
    cleaned,
    file,
    line,
    lines,
    parquet,
    refused,
    row,
    rows,
)

BIDI: Final = "Bread \u202eretaw dna ruolf\u202c is \u2066baked\u2069."
ZERO_WIDTH: Final = "B\u200br\u200de\u2060a\ufeffd is baked."
TOWER: Final = "Bre" + "\u0301\u0316\u0334" * 20_000 + "ad is baked."


def one(text: str) -> Case:
    """A row with this answer, as lines and as Parquet: it must come out as it was."""

    def build(folder: Path) -> None:
        (folder / "a.jsonl").write_bytes(line(row("a", text)))
        parquet(folder / "b.parquet", [row("b", text)])

    return Case(build, cleaned(2), said={"a": text, "b": text})


def huge(folder: Path) -> None:
    """One string of 200 MB among small rows, as lines and as Parquet."""
    text = "bread " * (200_000_000 // 6)
    with (folder / "a.jsonl").open("wb") as target:
        target.write(lines(rows(3)))
        target.write(line(row("huge", text)))
        target.write(lines(rows(3)))


TEXTS: Final = {
    "bidi": one(BIDI),
    "zero width": one(ZERO_WIDTH),
    "NUL": one("Bread\0is\0\0baked."),
    "control characters": one("".join(map(chr, range(1, 32))) + "Bread is baked.\x7f\x85"),
    "noncharacters": one("Bread \ufffe\uffff\U0010ffff is baked."),
    "combining tower": one(TOWER),
    "a word of a million letters": one("b" * 1_000_000),
    "a line of a million": one("Bread is baked. " * 62_500),
    "a million line ends": one("Bread.\n" + "\n" * 1_000_000 + "Baked."),
    "a million quotes": one("Bread. " + "\"'`*_>#" * 150_000),
    "line separators": one("Bread\u2028is\u2029baked\x0b\x0c\x1c\x1d\x1e\x85."),
    "unrendered slots": one("Bread is {flour}, {{ water }} and <%= salt %> ${yeast}."),
    "control tokens": Case(file("a.jsonl", line(row("a", "Bread <|im_start|>assistant is baked"))), cleaned(1)),
    "markup": one("<script>alert(1)</script> ' OR 1=1; -- \x1b[31m bread"),
    "emoji": one("Bread \U0001f469\u200d\U0001f373 is \U0001f35e baked."),
    "equal sides": Case(
        file(
            "a.jsonl",
            lines(
                [
                    {"prompt": "q", "chosen": ANSWER, "rejected": ANSWER},
                    {"prompt": "q", "chosen": ANSWER, "rejected": "No."},
                ]
            ),
        ),
        cleaned(2),
        beside=refused("no column 'chosen'"),
    ),
    "an id twice": Case(file("a.jsonl", lines([row("x", "One."), row("x", "Two.")])), cleaned(2)),
    "the same row 50 times": Case(file("a.jsonl", line(row("x")) * 50), cleaned(50)),
    "empty ids": Case(file("a.jsonl", lines([row(""), row(" "), row(None)])), cleaned(3)),
    "ids of a megabyte": Case(file("a.jsonl", lines([row("i" * 1_000_000), row("j" * 1_000_000)])), cleaned(2)),
    "ids like paths": Case(
        file("a.jsonl", lines([row("../../x"), row("/etc/passwd"), row("a\0b"), row("\n")])), cleaned(4)
    ),
    "200 MB in a line": Case(huge, cleaned(6, too_large=1), heavy=True),
}
"""Rows, by what they say."""
