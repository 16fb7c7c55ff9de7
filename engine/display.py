"""What people see: tables of what was found and done, plans, checks, query results and explanations, through rich.

Text of the data is never read as markup, and its control characters are made visible: they cannot move a cursor.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from phrasemill.engine.card import described_action
from phrasemill.engine.explain import ExplainedRow, Explanation, OriginalTurn
from phrasemill.engine.manifest import Totals
from phrasemill.engine.verify import VerifyReport
from phrasemill.schemas.policy import Policy

MAX_CELL_CHARACTERS: Final = 200

_PICTURES: Final = 0x2400
_VISIBLE: Final = {
    **{code: chr(_PICTURES + code) for code in range(0x20) if chr(code) not in "\n\t"},
    **dict.fromkeys((*range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)), "\N{REPLACEMENT CHARACTER}"),
}
"""Control and direction characters, each replaced by one visible character, so that offsets stay."""


@dataclass(frozen=True, slots=True)
class PlanSource:
    """A source in a plan. ``rows`` is None where they are not counted before reading; ``done`` are finished shards."""

    source: str
    kind: str
    shards: int
    rows: int | None
    bytes: int
    done: int = 0


def make_console(*, stderr: bool = False) -> Console:
    """Open a console on stdout or stderr that colours for terminals only."""
    return Console(stderr=stderr, highlight=False, markup=False)


def shown(text: str) -> str:
    """Return the text with every control character visible; its length stays."""
    return text.translate(_VISIBLE)


def category_table(totals: Totals, policy: Policy | None) -> Table:
    """Return the closing table: per category rows, hits, excused hits and, with a policy, action and what remains."""
    table = make_table("category", "rows", "of rows", "hits", "excused", right=(1, 2, 3, 4))
    if policy is not None:
        table.add_column("action")
        table.add_column("acted on", justify="right")
        table.add_column("remain", justify="right")
    for category, count in sorted(totals.hits.items(), key=lambda item: (-item[1].rows, item[0])):
        cells = [category, f"{count.rows:,}", _share(count.rows, totals.rows_in)]
        cells += [f"{count.spans:,}", f"{count.exempt:,}"]
        if policy is not None:
            cells += [described_action(policy, category), f"{count.acted:,}", f"{count.left:,}"]
        table.add_row(*map(cell, cells))
    return table


def rule_table(totals: Totals) -> Table:
    """Hits that count by rule, the commonest first."""
    return counts_table("rule", "hits", totals.rules)


def outcome_table(totals: Totals) -> Table:
    """Rows by outcome, and all of them."""
    table = make_table("outcome", "rows", "share", right=(1, 2))
    for outcome, rows in (*totals.outcomes.items(), ("all rows", totals.rows_in)):
        table.add_row(cell(outcome), f"{rows:,}", _share(rows, totals.rows_in))
    return table


def counts_table(name: str, counted: str, counts: Mapping[str, int]) -> Table:
    """Names and their counts, the largest first: reasons, requests, pairs."""
    table = make_table(name, counted, right=(1,))
    for key, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        table.add_row(cell(key), f"{count:,}")
    return table


def plan_table(sources: Iterable[PlanSource]) -> Table:
    """Show what a run would read: a line a source, and all."""
    table = make_table("source", "kind", "shards", "done", "rows", "MB", right=(2, 3, 4, 5))
    listed = list(sources)
    for item in listed:
        rows = "not counted" if item.rows is None else f"{item.rows:,}"
        size = f"{item.bytes / 1e6:,.1f}"
        table.add_row(cell(item.source), cell(item.kind), f"{item.shards:,}", f"{item.done:,}", rows, size)
    shards, done = sum(item.shards for item in listed), sum(item.done for item in listed)
    known = [item.rows for item in listed if item.rows is not None]
    rows = f"{sum(known):,}" + ("" if len(known) == len(listed) else " or more")
    table.add_section()
    table.add_row("all", "", f"{shards:,}", f"{done:,}", rows, f"{sum(item.bytes for item in listed) / 1e6:,.1f}")
    return table


def facts_table(facts: Mapping[str, str]) -> Table:
    """Names and values, a line each, in the order given."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(cell(name), cell(value))
    return table


def verify_view(report: VerifyReport) -> RenderableType:
    """One line where all is well, else every problem with its shard and path."""
    checked = f"{report.shards:,} shards, {report.files:,} files, {report.bytes / 1e6:,.1f} MB, {report.rows_in:,} rows"
    notes = [Text(note) for note in report.notes]
    if report.ok:
        return Group(Text(f"ok: {checked}"), *notes)
    table = make_table("shard", "path", "problem", right=())
    for problem in report.problems:
        table.add_row(cell(problem.shard), cell(problem.path), cell(problem.message, cut=False))
    return Group(Text(f"{len(report.problems):,} problems in {checked}", style="bold red"), table, *notes)


def result_table(result: pa.Table, max_rows: int = 100) -> RenderableType:
    """Show an answer in SQL: at most ``max_rows`` rows, long texts cut, and a last line that says what is not shown."""
    numeric = [pa.types.is_integer(field.type) or pa.types.is_floating(field.type) for field in result.schema]
    table = make_table(*result.column_names, right=[index for index, number in enumerate(numeric) if number])
    for row in zip(*(column.to_pylist() for column in result.slice(0, max_rows).columns), strict=True):
        table.add_row(*(cell("" if value is None else str(value)) for value in row))
    if result.num_rows <= max_rows:
        return table
    return Group(table, Text(f"{result.num_rows - max_rows:,} more rows", style="dim"))


def explanation_view(explanation: Explanation) -> RenderableType:
    """Every row of that id: verdict, originals with their hits marked, answers that were tried, and the result."""
    return Group(*(line for row in explanation.rows for line in _explained_row(explanation.row_id, row)))


def _explained_row(row_id: str, row: ExplainedRow) -> Iterator[RenderableType]:
    yield Text(shown(f"{row_id}  {row.outcome}"), style="bold")
    facts = {"source": row.source, "shard, row": f"{row.shard}, {row.row}", "planned": row.action}
    facts |= {"reasons": ", ".join(row.reasons)} if row.reasons else {}
    facts |= {"preference pairs": str(row.pairs)} if row.pairs else {}
    yield facts_table(facts)
    if row.quarantined is not None:
        yield Text(shown(f"\nquarantined: {row.quarantined.reason}: {row.quarantined.detail or ''}"), style="bold")
        yield Text(shown(row.quarantined.raw or ""))
    for original in row.originals:
        yield Text(f"\noriginal, {original.field} {original.turn}", style="bold")
        yield _marked(original)
        yield _span_table(original)
    for attempt in row.attempts:
        why = f": {attempt.reason}" if attempt.reason else ""
        left = f" (still hit: {', '.join(attempt.hits_left)})" if attempt.hits_left else ""
        head = f"\nattempt {attempt.attempt}, {attempt.field} {attempt.turn}, {attempt.outcome}{why}{left}"
        yield Text(shown(head), style="bold")
        yield Text(shown(attempt.text or ""))
    for turn, message in enumerate(row.result):
        yield Text(shown(f"\nresult {turn}, {message.role}"), style="bold")
        yield Text(shown(message.content))
    yield Text("")


def _marked(original: OriginalTurn) -> Text:
    """Show the original with its hits marked: counted ones strongly, excused ones underlined."""
    text = Text(shown(original.text))
    for span in original.spans:
        text.stylize("bold red reverse" if span.exempt is None else "underline", span.start, span.stop)
    return text


def _span_table(original: OriginalTurn) -> Table:
    table = make_table("rule", "category", "from", "to", "text", "excused", "action", right=(2, 3))
    for span in original.spans:
        cells = (
            span.rule_id,
            span.category,
            str(span.start),
            str(span.stop),
            span.text,
            span.exempt or "",
            span.action or "",
        )
        table.add_row(*map(cell, cells))
    return table


def make_table(*heads: str, right: Iterable[int]) -> Table:
    """An empty table of these columns; those at the indices ``right`` are set to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    aligned = set(right)
    for index, head in enumerate(heads):
        table.add_column(Text(shown(head)), justify="right" if index in aligned else "left", overflow="fold")
    return table


def cell(text: str, *, cut: bool = True) -> Text:
    """A text of the data as a cell: never markup; on one line and not too long where ``cut``."""
    line = " ".join(text.split("\n")) if cut else text
    if cut and len(line) > MAX_CELL_CHARACTERS:
        line = line[: MAX_CELL_CHARACTERS - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return Text(shown(line))


def _share(rows: int, of: int) -> str:
    return f"{rows / of:.2%}" if of else "-"
