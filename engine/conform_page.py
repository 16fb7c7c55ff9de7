"""``conform.md``: the report as a page to read. Text of the data is shown as it is and never read as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from phrasemill.engine.conform_model import Conformance, ScoredRow, Statement
from phrasemill.engine.conform_words import (
    Grid,
    against_grid,
    category_grid,
    cross_grid,
    drift_grid,
    gate_grid,
    phrase_grid,
    score,
    share,
    share_interval,
    statement_grid,
    summary,
    without_empty,
)
from phrasemill.engine.display import shown

_MARKUP: Final = re.compile(r"([\\`*\[\]<|~&$@]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.)")
_BLOCK: Final = re.compile(r"^(\d*)([-+.)#=>])(?=[\s#=-]|$)")
_STATEMENT_CHARACTERS: Final = 200


def page(report: Conformance) -> str:
    """The whole page; the same report gives the same text."""
    parts = [
        f"# Conformance of {escaped(report.folder)}\n",
        _items(summary(report)),
        *_section("Gates", gate_grid(report)),
        *_section("Statements", statement_grid(report.statements)),
        *_uncovered(report),
        *_section("Phrases of the traits that were found", phrase_grid(report)),
        "## Phrase hits\n",
        _table(category_grid(report)),
        *_against(report),
        *_judge(report),
        *_section("Rows of one trait, judged by another", cross_grid(report)),
        *_worst(report),
        "## How to read this\n",
        _notes(report),
    ]
    return "\n".join(parts)


def escaped(text: str) -> str:
    """The text in one line, with control characters made visible; no part of it is read as Markdown, HTML or a link."""
    return _MARKUP.sub(r"\\\1", shown(" ".join(text.split())))


def _items(texts: Iterable[str]) -> str:
    """A list of texts, none of which begins a block of its own."""
    plain = (_BLOCK.sub(r"\1\\\2", escaped(text)) for text in texts)
    return "".join(f"- {text}\n" for text in plain)


def _section(title: str, grid: Grid, note: str = "") -> Iterator[str]:
    if grid.lines:
        yield f"## {title}\n"
        if note:
            yield f"{note}\n"
        yield _table(grid)


def _table(grid: Grid) -> str:
    grid = without_empty(grid)
    rule = ["---"] * grid.left + ["---:"] * (len(grid.heads) - grid.left)
    lines: list[Sequence[str]] = [grid.heads, rule, *grid.lines]
    cells = ([cell if line is rule else escaped(cell) for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def _uncovered(report: Conformance) -> Iterator[str]:
    if not report.uncovered and not report.near_only:
        return
    known = {each.id: each for each in report.statements}
    yield "## Statements without a row\n"
    for title, names in (
        ("Nothing touches:", report.uncovered),
        ("Only prompts that are like theirs:", report.near_only),
    ):
        if names:
            yield f"{title}\n"
            yield _items(_named(known[name]) for name in names)


def _named(statement: Statement) -> str:
    said = " ".join(statement.statement.split())
    cut = said if len(said) <= _STATEMENT_CHARACTERS else said[: _STATEMENT_CHARACTERS - 3] + "..."
    near = f" ({statement.near_rows:,} rows)" if statement.near_rows else ""
    return f"{statement.id}{near}: {cut}"


def _against(report: Conformance) -> Iterator[str]:
    if report.against is None:
        return
    hits = report.against.hit_share
    yield f"## Against {escaped(report.against.folder)}\n"
    yield f"Rows with a hit: {share(hits.this)} here, {share(hits.other)} there: {hits.verdict}.\n"
    if report.against.statements:
        yield _table(against_grid(report))
    tests = report.against.compared
    yield (
        f"{tests:,} differences were tested. Of so many that are none, about {tests / 20:.1f} would look like one by "
        "chance.\n"
    )
    yield from _section("Rows of one trait, judged by another, against there", drift_grid(report))


def _judge(report: Conformance) -> Iterator[str]:
    if not report.judges:
        return
    yield "## The judge\n"
    yield _items([f"Asked: {', '.join(report.judges)}", *_trust(report)])


def _trust(report: Conformance) -> Iterator[str]:
    pairs, known = report.agreement, report.calibration
    if pairs is not None and pairs.consistency is not None:
        yield (
            f"{pairs.comparisons:,} pairs compared in both orders: {share(pairs.consistency.value)} of the usable ones "
            f"agree ({share_interval(pairs.consistency)}); {pairs.invalid:,} were of no use"
        )
    else:
        yield "No pairs were compared in both orders, so how far the judge agrees with itself is not known"
    if known is None or known.agreement is None:
        yield "No calibration is at hand: how far the judge agrees with labelled pairs is not known"
    else:
        whose = "this judge" if known.is_judge else f"another judge, {known.model}"
        yield (
            f"Calibration of {whose}: {share(known.agreement.value)} of {known.pairs:,} labelled pairs "
            f"({share_interval(known.agreement)})"
        )
    stale = sum(each.judged.other_version for each in report.statements if each.judged is not None)
    if stale:
        yield f"{stale:,} verdicts were given under another text of the trait than the present one"


def _worst(report: Conformance) -> Iterator[str]:
    judged = [each for each in report.statements if each.judged is not None and each.judged.worst]
    if judged:
        yield "## Lowest scores\n"
    for each in judged:
        assert each.judged is not None
        yield f"### {escaped(each.id)}\n"
        yield _table(Grid(("row", "answer", "score"), [_scored(row) for row in each.judged.worst], 2))


def _scored(row: ScoredRow) -> tuple[str, str, str]:
    return row.row_id, row.text, score(row.score)


def _notes(report: Conformance) -> str:
    lines = [
        f"A hit is what the filters {', '.join(report.filters)} find and the text does not excuse; what a trait allows "
        "itself is no hit in its rows.",
        _before(report),
        "rows: written under the statement. by probe: for a statement without such rows, rows that answer one of its "
        "probe prompts word for word. near: rows whose prompt shares at least half of its long words with a prompt of "
        "the statement; that is likeness of words, not of meaning, and counts as no coverage.",
        f"pass rate: answers with a score of {report.threshold:g} or more, of those with a score. Refusals and "
        "verdicts that could not be read have none.",
        "Intervals are 95 %: bootstrap for means, Wilson for shares. An interval of a difference that holds zero shows "
        "no difference; fewer than ten scores on either side show nothing.",
        "-: not known.",
    ]
    return _items(lines)


def _before(report: Conformance) -> str:
    if report.whole.before is None:
        return "before: this folder has no text of before."
    if report.command in ("generate", "probe"):
        return "before: the rejected sides of the pairs."
    return "before: the originals, of all rows that were read for the folder, of published rows for a statement."
