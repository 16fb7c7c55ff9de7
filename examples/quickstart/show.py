"""Show what a run of the example found and did: ``python show.py DIR``, where DIR is the folder that it published."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import duckdb
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from phrasemill.engine.manifest import TABLES, read_manifest, totals
from phrasemill.engine.query import open_catalog
from phrasemill.schemas.errors import PhrasemillError

MAX_CHARACTERS: Final = 700

CATEGORIES: Final = """
WITH hit AS (SELECT DISTINCT category, shard, row FROM spans WHERE exempt IS NULL),
ended AS (SELECT category, outcome FROM hit JOIN verdicts USING (shard, row))
SELECT category, spans, exempt,
    count(outcome) FILTER (outcome = 'kept') AS tagged,
    count(outcome) FILTER (outcome = 'repaired') AS mended,
    count(outcome) FILTER (outcome = 'regenerated') AS regenerated,
    count(outcome) FILTER (outcome IN ('dropped', 'quarantined')) AS given_up
FROM hits_by_category LEFT JOIN ended USING (category)
GROUP BY category, spans, exempt ORDER BY spans DESC, category
"""

GIVEN_UP: Final = """
SELECT outcome, reasons[1] AS reason, count(*) AS rows FROM verdicts WHERE outcome IN ('dropped', 'quarantined')
GROUP BY ALL ORDER BY outcome, rows DESC, reason
"""
"""The first reason says why; the rules that were hit follow it."""

REQUESTS: Final = """
SELECT outcome, coalesce(reason, '') AS reason, count(*) AS requests FROM generations
GROUP BY ALL ORDER BY requests DESC, outcome, reason
"""

CHANGES: Final = """
WITH change AS (SELECT b.*, s.messages, len(s.messages) AS turns,
    len(list_distinct(list_transform(rule_ids, lambda rule: split_part(rule, '.', 1)))) AS categories
    FROM before_after b JOIN sft s ON s.pm_shard = b.shard AND s.pm_row = b.row WHERE mended IS NOT NULL)
SELECT row_id, turn, rule_ids, original, mended, CASE WHEN turn + 2 < turns THEN messages[turn + 2].content END
FROM change WHERE {where} ORDER BY {order}, length(original), row_id, turn LIMIT 1
"""

WANTED: Final = (
    ("stripped", "outcome = 'repaired' AND turns = 2", "categories DESC"),
    ("regenerated", "outcome = 'regenerated' AND turns = 2", "categories DESC"),
    ("in the middle of a conversation", "turn + 2 < turns", "outcome = 'repaired'"),
)
"""Title of a pair, which changes qualify, and which of those comes first."""


def main() -> int:
    """Print the story of the run in DIR. Return the exit code: 0, or that of the error."""
    console = Console(highlight=False, markup=False)
    if len(sys.argv) != 2:
        console.print("usage: python show.py DIR, the folder that the run has published")
        return 2
    out = Path(sys.argv[1])
    try:
        with open_catalog(out) as catalog:
            show(console, catalog)
            only_local = catalog.execute("SELECT count(*) FROM generations WHERE backend <> 'local'").fetchone() == (0,)
        show_paths(console, out)
        if only_local:
            console.print("\nThe demo's model has 135 million parameters: it proves the plumbing, not the prose.")
    except PhrasemillError as error:
        console.print(str(error))
        return error.exit_code
    return 0


def show(console: Console, catalog: duckdb.DuckDBPyConnection) -> None:
    """Print counts, reasons and pairs."""
    ledger = "SELECT rows_in, kept, repaired, regenerated, dropped, quarantined FROM ledger WHERE shard = 'total'"
    (rows,) = catalog.execute(ledger).fetchall()
    console.print(
        "{} conversations in: {} kept, {} repaired, {} regenerated, {} dropped, {} quarantined.".format(*rows)
    )
    heads = ("category", "found", "excused", "tagged", "mended", "regenerated", "given up")
    title = "Hits found, hits that the text excuses, and rows by what became of them"
    print_table(console, title, heads, catalog.execute(CATEGORIES).fetchall())
    why = catalog.execute(GIVEN_UP).fetchall()
    print_table(console, "Given up or quarantined, and why", ("outcome", "reason", "rows"), why)
    asked = catalog.execute(REQUESTS).fetchall()
    print_table(console, "Requests to the model", ("outcome", "reason", "requests"), asked)
    for title, where, order in WANTED:
        found = catalog.execute(CHANGES.format(where=where, order=order)).fetchone()
        print_pair(console, title, found)


def print_table(console: Console, title: str, heads: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """Print rows under a title; whole numbers stand right. Without rows, say so."""
    console.print()
    if not rows:
        console.print(f"{title}: none")
        return
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for head, value in zip(heads, rows[0], strict=True):
        table.add_column(head, justify="right" if isinstance(value, int) else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(value)) for value in row))
    console.print(table)


def print_pair(console: Console, title: str, found: tuple[Any, ...] | None) -> None:
    """Print a turn before and after, side by side, and the user's next turn where there is one."""
    console.print()
    if found is None:
        console.print(f"Before and after, {title}: no such turn in this run")
        return
    row_id, turn, rule_ids, original, mended, following = found
    table = Table(title=f"Before and after, {title}: {row_id}, turn {turn} ({', '.join(rule_ids)})", expand=True)
    table.title_justify, table.title_style = "left", "bold"
    table.add_column("before", ratio=1)
    table.add_column("after", ratio=1)
    table.add_row(Text(shortened(original)), Text(shortened(mended)))
    console.print(table)
    if following is not None:
        console.print(f"The user goes on: {shortened(following)}")


def shortened(text: str) -> str:
    """Return the text, cut where it is longer than a screen wants."""
    return text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS].rstrip() + " ..."


def show_paths(console: Console, out: Path) -> None:
    """Print every table and document that was written, with rows and size."""
    total = totals(read_manifest(out))
    rows = [
        (str(out / folder), total.files[table], total.rows[table], f"{total.bytes[table] / 1024:.0f} KiB")
        for table, folder in TABLES.items()
        if total.files[table]
    ]
    print_table(console, "Written", ("folder", "files", "rows", "size"), rows)
    documents = sorted(path for path in out.iterdir() if path.is_file() and path.name[0] != ".")
    console.print("and " + ", ".join(path.name for path in documents))


if __name__ == "__main__":
    sys.exit(main())
