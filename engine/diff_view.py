"""A comparison as tables."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from phrasemill.engine.diff import Diff, Moved
from phrasemill.engine.display import shown

_CELL = 100


def diff_tables(found: Diff) -> Iterator[Table]:
    """What differs, a table a question; none where nothing does. Shares are of the rows that both sides read."""
    for title, moves in (("planned", found.actions), ("outcome", found.outcomes)):
        if moves:
            yield _moves(title, moves, found.rows)
    differing = [each for each in found.categories if each.before != each.after]
    if differing:
        table = _table("rows with", "before", "after", "change", right=(1, 2, 3))
        for each in differing:
            change = each.after - each.before
            table.add_row(
                shown(each.category),
                _rate(each.before, found.rows),
                _rate(each.after, found.rows),
                f"{change:+,} ({_share(change, found.rows)})",
            )
        yield table
    if found.rules:
        table = _table("rule", "hits before", "after", "lost", "gained", "other action", right=range(1, 6))
        for rule in found.rules:
            counts = (rule.before, rule.after, rule.lost, rule.gained, rule.redecided)
            table.add_row(shown(rule.rule_id), *(f"{count:,}" for count in counts))
        yield table
    if found.examples:
        table = _table("row", "planned", "outcome", "what differs", right=())
        for row in found.examples:
            parts = [f"- {each}" for each in row.lost] + [f"+ {each}" for each in row.gained]
            parts += [f"~ {each}" for each in row.redecided]
            cells = (row.row_id, _arrow(row.action), _arrow(row.outcome), "\n".join(part[:_CELL] for part in parts))
            table.add_row(*map(shown, cells))
        yield table


def diff_lines(found: Diff) -> Iterator[str]:
    """The sums in words."""
    yield f"{found.changed:,} of {found.rows:,} rows differ ({_share(found.changed, found.rows)})"
    if not found.rows:
        yield "the folders have no row in common: they are not over the same data"
    for rows, side in ((found.only_before, found.before), (found.only_after, found.after)):
        if rows:
            yield f"{rows:,} rows were read by {side} alone"


def _moves(title: str, moves: tuple[Moved, ...], rows: int) -> Table:
    table = _table(title, "rows", "of rows", right=(1, 2))
    for move in moves:
        table.add_row(shown(_arrow((move.before, move.after))), f"{move.rows:,}", _share(move.rows, rows))
    return table


def _table(*names: str, right: range | tuple[int, ...]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, name in enumerate(names):
        table.add_column(name, justify="right" if index in right else "left", overflow="fold")
    return table


def _arrow(pair: tuple[str, str]) -> str:
    return pair[0] if pair[0] == pair[1] else f"{pair[0]} -> {pair[1]}"


def _rate(count: int, rows: int) -> str:
    return f"{count:,} ({_share(count, rows)})"


def _share(count: int, rows: int) -> str:
    return f"{count / rows:.2%}" if rows else "-"
