"""A conformance report on the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from phrasemill.engine.conform_model import Conformance
from phrasemill.engine.conform_words import (
    Grid,
    against_grid,
    category_grid,
    drift_grid,
    gate_grid,
    phrase_grid,
    statement_grid,
    without_empty,
)
from phrasemill.engine.display import shown


def conformance_tables(report: Conformance) -> Iterator[Table]:
    """The tables of the report, a question each; columns in which nothing is known are left out."""
    for grid in (
        category_grid(report),
        statement_grid(report.statements),
        phrase_grid(report),
        against_grid(report),
        drift_grid(report),
        gate_grid(report),
    ):
        if grid.lines:
            yield _table(grid)


def _table(grid: Grid) -> Table:
    grid = without_empty(grid)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for at, head in enumerate(grid.heads):
        table.add_column(shown(head), justify="left" if at < grid.left else "right", overflow="fold")
    for line in grid.lines:
        table.add_row(*(Text(shown(cell)) for cell in line))
    return table
