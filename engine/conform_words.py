"""A conformance report in words and cells, for the page and for the terminal alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from phrasemill.engine.conform_gates import shown_number
from phrasemill.engine.conform_model import WHOLE, Change, Conformance, HitRate, Measure, Statement

NOTHING = "-"


class Grid(NamedTuple):
    """A table: its heads, and a line of cells each. ``left``: how many columns at its beginning are text."""

    heads: Sequence[str]
    lines: Sequence[Sequence[str]]
    left: int = 1


def without_empty(grid: Grid) -> Grid:
    """The same table without columns in which nothing is known."""
    known = [at for at in range(len(grid.heads)) if any(line[at] != NOTHING for line in grid.lines)]
    lines = [[line[at] for at in known] for line in grid.lines]
    return Grid([grid.heads[at] for at in known], lines, sum(at < grid.left for at in known))


def summary(report: Conformance) -> Iterator[str]:
    """What is most worth knowing, a sentence a line."""
    whole, count = report.whole, len(report.statements)
    before = "" if whole.before is None else f" (before: {share(whole.before.share)})"
    if whole.rows:
        hits = f"{share(whole.after.share)} of {whole.rows:,} published rows have a hit{before}"
        yield f"{hits}, {number(whole.after.per_1k)} hits per 1,000 words."
    else:
        yield "No row is published."
    if count:
        covered = count - len(report.uncovered) - len(report.near_only)
        yield f"{covered:,} of {count:,} statements are touched by rows or queries of this folder."
    judged = [each.judged for each in report.statements if each.judged is not None and each.judged.n]
    if judged:
        sure = sum(each.pass_rate is not None and each.pass_rate.low >= 0.5 for each in judged)
        yield (
            f"{len(judged):,} of {count:,} statements are judged, over {sum(each.n for each in judged):,} answers; in "
            f"{sure:,} of them more than half of the answers surely reach {report.threshold:g} of 100."
        )
    elif count:
        yield "Nothing was judged: whether the answers are in character is not known."
    if report.against is not None and judged:
        yield verdicts_in_words(report)
    if report.gates:
        failed = sum(not each.holds for each in report.gates)
        yield f"{len(report.gates) - failed:,} of {len(report.gates):,} gates hold."
    for name, why in report.unscanned.items():
        yield f"Not read with the filter {name}: it {why}."
    if report.unknown_traits:
        rows = ", ".join(f"{name} {count:,}" for name, count in report.unknown_traits.items())
        yield f"Rows of traits that were not looked at: {rows}."


def verdicts_in_words(report: Conformance) -> str:
    """How many judge means went up, down or neither."""
    assert report.against is not None
    found = [each.judge_mean.verdict for each in report.against.statements]
    counts = [(verdict, found.count(verdict)) for verdict in ("better", "worse", "no difference shown", "not known")]
    listed = ", ".join(f"{verdict} {count:,}" for verdict, count in counts if count)
    return f"Mean scores against {report.against.folder}: {listed or 'no statement'}."


def statement_grid(statements: Iterable[Statement]) -> Grid:
    """A line a statement."""
    heads = ["statement", "rows", "queries", "by probe", "near", "hits/row before", "hits/row", "hits/1k words"]
    heads += ("phrases", "judged", "mean", "95 %", "pass rate", "95 %", "refusals", "pairs won", "both orders agree")
    return Grid(heads, [_statement(each) for each in statements])


def _statement(each: Statement) -> tuple[str, ...]:
    judged, pairs = each.judged, each.agreement
    mean = None if judged is None else judged.mean
    passed = None if judged is None else judged.pass_rate
    near = number(each.near_rows) if not each.rows else NOTHING
    return (
        each.id,
        f"{each.rows:,}",
        f"{each.queries:,}",
        number(each.probe_rows) if not each.rows else NOTHING,
        near,
        NOTHING if each.before is None else number(each.before.per_row),
        number(each.after.per_row),
        number(each.after.per_1k),
        _phrases(each),
        NOTHING if judged is None else f"{judged.n:,}",
        NOTHING if mean is None else f"{mean.value:.1f}",
        interval(mean),
        NOTHING if passed is None else share(passed.value),
        share_interval(passed),
        NOTHING if judged is None else share(judged.refusal_share),
        NOTHING if pairs is None or pairs.win_rate is None else share(pairs.win_rate.value),
        NOTHING if pairs is None or pairs.consistency is None else share(pairs.consistency.value),
    )


def _phrases(each: Statement) -> str:
    broken = sum(use.broken for use in each.phrases)
    return f"{broken:,} of {len(each.phrases):,} broken" if each.phrases and each.rows else NOTHING


def category_grid(report: Conformance) -> Grid:
    """Rows with a hit by category, and of any."""
    before, after = report.whole.before, report.whole.after
    lines = []
    for each in report.whole.categories:
        lines.append((each.category, *_rows_with(each.before, before), *_rows_with(each.after, after)))
    was = None if before is None else before.rows_with_hit
    lines.append(("any", *_rows_with(was, before), *_rows_with(after.rows_with_hit, after)))
    return Grid(("rows with", "before", "share", "now", "share"), lines)


def _rows_with(rows: int | None, of: HitRate | None) -> tuple[str, str]:
    if rows is None or of is None:
        return NOTHING, NOTHING
    return f"{rows:,}", share(rows / of.rows if of.rows else None)


def phrase_grid(report: Conformance) -> Grid:
    """Every ban or limit that was found in rows of its trait."""
    lines = [
        (each.id, use.kind, use.phrase, f"{use.hits:,}", f"{use.rows:,}", number(use.per_1k), number(use.allowed))
        for each in report.statements
        for use in each.phrases
        if use.hits
    ]
    return Grid(("statement", "kind", "phrase", "hits", "rows", "per 1k words", "allowed"), lines, 3)


def against_grid(report: Conformance) -> Grid:
    """A line a statement: this folder, the other, the difference with its interval, the verdict."""
    heads = ["statement", "rows here", "there", "text changed", "rows with a hit here", "there", "hits", "mean here"]
    heads += ("there", "difference", "95 %", "prompt by prompt", "judge", "pass rate")
    lines = []
    for each in () if report.against is None else report.against.statements:
        mean, hits = each.judge_mean, each.hit_share
        lines.append(
            (
                each.id,
                f"{each.rows[0]:,}",
                f"{each.rows[1]:,}",
                "yes" if each.text_changed else "no" if all(each.hashes) else "not known",
                share(hits.this),
                share(hits.other),
                hits.verdict,
                score(mean.this),
                score(mean.other),
                NOTHING if mean.difference is None else f"{mean.difference.value:+.1f}",
                interval(mean.difference, signed=True),
                NOTHING if each.paired is None else f"{each.paired:,}",
                mean.verdict,
                each.pass_rate.verdict,
            )
        )
    return Grid(heads, lines)


def drift_grid(report: Conformance) -> Grid:
    """Rows of one trait under the judgement of another, here and there."""
    heads = ("rows of", "judged by", "n here", "there", "mean here", "there", "difference", "95 %", "verdict")
    lines = []
    for each in () if report.against is None else report.against.drift:
        change: Change = each.change
        difference = NOTHING if change.difference is None else f"{change.difference.value:+.1f}"
        cells = [each.rows_of, each.judged_by, f"{each.n[0]:,}", f"{each.n[1]:,}", score(change.this)]
        cells += (score(change.other), difference, interval(change.difference, signed=True), change.verdict)
        lines.append(cells)
    return Grid(heads, lines, 2)


def cross_grid(report: Conformance) -> Grid:
    """Rows of one trait under the judgement of another, in this folder."""
    lines = [(each.rows_of or "no trait", each.judged_by, f"{each.n:,}", f"{each.mean:.1f}") for each in report.cross]
    return Grid(("rows of", "judged by", "n", "mean"), lines, 2)


def gate_grid(report: Conformance) -> Grid:
    """Every gate on everything that it was for; those that do not hold first."""
    lines = []
    for each in sorted(report.gates, key=lambda each: each.holds):
        whose = "the whole folder" if each.of == WHOLE else each.of
        lines.append(("holds" if each.holds else "fails", each.gate, whose, shown_number(each.got)))
    return Grid(("", "gate", "of", "got"), lines, 3)


def number(value: float | None) -> str:
    """A number with as many digits as it is worth."""
    if value is None:
        return NOTHING
    return f"{value:,.0f}" if value == int(value) or value >= 1000 else f"{value:,.2f}"


def score(value: float | None) -> str:
    """A score of 0 to 100."""
    return NOTHING if value is None else f"{value:.1f}"


def share(value: float | None) -> str:
    """A share in percent."""
    return NOTHING if value is None else f"{value:.1%}"


def interval(measure: Measure | None, *, signed: bool = False) -> str:
    """The interval of a score or of a difference."""
    if measure is None:
        return NOTHING
    return f"{measure.low:+.1f} to {measure.high:+.1f}" if signed else f"{measure.low:.1f} to {measure.high:.1f}"


def share_interval(measure: Measure | None) -> str:
    """The interval of a share, in percent."""
    return NOTHING if measure is None else f"{measure.low:.0%} to {measure.high:.0%}"
