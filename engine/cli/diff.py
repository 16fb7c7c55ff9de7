"""The command that compares: two folders, or one folder with what another policy would do."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from phrasemill.engine.cli.output import say, show, show_json

if TYPE_CHECKING:
    from phrasemill.engine.diff import Diff


def diff(
    before: Annotated[Path, typer.Argument(metavar="A", help="A folder that run, clean or scan has written.")],
    after: Annotated[
        Path, typer.Argument(metavar="B", help="Another one, or a policy or configuration file to judge A by.")
    ],
    examples: Annotated[int, typer.Option("--rows", min=0, metavar="N", help="Changed rows to show.")] = 10,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write every changed row to a Parquet file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare two folders row by row, or one folder with another policy."""
    from phrasemill.engine.diff import diff as compare

    if after.is_dir():
        _print(compare(before, after, examples=examples, write_to=out), [], as_json=as_json)
        return
    from phrasemill.engine.redecide import redecide

    with tempfile.TemporaryDirectory(prefix="phrasemill-diff-") as scratch:
        report = redecide(before, after, Path(scratch) / "out", show_progress=False if as_json else None)
        found = compare(before, report.out, examples=examples, write_to=out)
        found = found.model_copy(update={"after": str(after)})
        fresh = report.done - report.spans_reused
        notes = [f"{report.spans_reused:,} shards judged from their stored spans, {fresh:,} scanned again"]
        _print(found, notes, as_json=as_json)


def _print(found: Diff, notes: list[str], *, as_json: bool) -> None:
    from phrasemill.engine.diff_view import diff_lines, diff_tables

    if as_json:
        show_json(found.model_dump(mode="json"))
        return
    for table in diff_tables(found):
        show(table, "")
    for line in (*diff_lines(found), *notes):
        say(line)
