"""The commands that read a finished folder: explain, verify, quarantine, catalog, sql."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from phrasemill.engine.cli.output import say, show, show_json, write
from phrasemill.schemas.errors import ConfigError, IntegrityError

if TYPE_CHECKING:
    import pyarrow as pa

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder that run, clean or scan has written.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def explain(
    folder: Folder,
    row_id: Annotated[str, typer.Argument(metavar="ROW_ID", help="The id of a row of the input.")],
    as_json: Json = False,
) -> None:
    """Show why a row ended as it did: original, hits, verdict, attempts, result."""
    from phrasemill.engine.display import explanation_view
    from phrasemill.engine.explain import explain as look_up

    found = look_up(folder, row_id)
    if as_json:
        show_json(found.model_dump(mode="json"))
    else:
        show(explanation_view(found))


def verify(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="A folder, or an s3:// URL, that a run has written.")],
    as_json: Json = False,
) -> None:
    """Read every file again and check it against the records; the next run does anew what is found damaged."""
    from phrasemill.engine.damage import record_damage
    from phrasemill.engine.display import verify_view
    from phrasemill.engine.object_store_url import is_store_url
    from phrasemill.engine.object_store_verify import verify_store
    from phrasemill.engine.verify import verify as check

    remote = is_store_url(folder)
    report = verify_store(folder) if remote else check(Path(folder), show_progress=False if as_json else None)
    trouble = "" if remote else record_damage(Path(folder), report)
    if as_json:
        found = report.model_dump(mode="json")
        show_json({"ok": report.ok, **found, "damaged": sorted(report.damaged), "not_recorded": trouble or None})
    else:
        show(verify_view(report))
        if trouble:
            say(trouble)
        elif report.damaged and not remote:
            say(f"{len(report.damaged):,} shards are damaged: the command that wrote {folder} does them anew")
    if not report.ok:
        raise typer.Exit(IntegrityError.exit_code)


def quarantine(
    folder: Folder,
    reason: Annotated[str | None, typer.Option(metavar="REASON", help="Rows of this reason only.")] = None,
    limit: Annotated[int, typer.Option(min=0, metavar="N", help="Rows to show.")] = 20,
    as_json: Json = False,
) -> None:
    """Show rows that could not be used: how many by reason, and the rows."""
    from phrasemill.engine.display import counts_table, result_table

    counts, rows = _quarantined(folder, reason, limit)
    if as_json:
        show_json({"counts": counts, "rows": rows.to_pylist()})
    elif not counts:
        say("no row is in quarantine" if reason is None else f"no row is in quarantine for the reason {reason}")
    else:
        show(counts_table("reason", "rows", counts), "", result_table(rows, max_rows=limit))
        if len(rows) < sum(counts.values()):
            say(f"{len(rows):,} of {sum(counts.values()):,} rows shown; --limit N shows more")


def _quarantined(folder: Path, reason: str | None, limit: int) -> tuple[dict[str, int], pa.Table]:
    """Rows by reason, and the first of them."""
    import duckdb

    from phrasemill.engine.query import open_catalog

    where, values = ("WHERE reason = ?", [reason]) if reason is not None else ("", [])
    columns = "row_id, reason, detail, source, shard, row, raw"
    with open_catalog(folder) as catalog:
        try:
            counted = catalog.execute(
                f"SELECT reason, count(*) FROM quarantine {where} GROUP BY reason ORDER BY reason", values
            ).fetchall()
            query = f"SELECT {columns} FROM quarantine {where} ORDER BY reason, shard, row LIMIT {limit}"
            rows = catalog.sql(query, params=values).to_arrow_table()
        except duckdb.Error as error:
            raise IntegrityError(f"{folder}: the quarantine cannot be read: {error}") from error
    return dict(counted), rows


def catalog(folder: Folder) -> None:
    """Write catalog.sql anew and say which views it makes."""
    from phrasemill.engine.catalog import CATALOG_NAME, VIEWS, write_catalog
    from phrasemill.engine.manifest import read_manifest

    write_catalog(folder, read_manifest(folder))
    say(str(folder / CATALOG_NAME))
    say("views: " + ", ".join(VIEWS))


def sql(
    folder: Folder,
    query: Annotated[str, typer.Argument(metavar="SELECT", help="One SELECT over the views; see catalog.")],
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV; nested values as JSON.")] = False,
) -> None:
    """Ask the output a question in SQL."""
    from phrasemill.engine.display import result_table
    from phrasemill.engine.query import run_sql

    if as_json and as_csv:
        raise ConfigError("got --json and --csv, expected one of them")
    answer = run_sql(folder, query)
    if as_json:
        show_json(answer.to_pylist())
    elif as_csv:
        write(_csv(answer))
    else:
        show(result_table(answer))


def _csv(answer: pa.Table) -> str:
    import csv
    import io

    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(answer.column_names)
    columns = [column.to_pylist() for column in answer.columns]
    lines.writerows([_plain(value) for value in row] for row in zip(*columns, strict=True))
    return text.getvalue()


def _plain(value: Any) -> Any:
    import orjson

    return orjson.dumps(value, default=str).decode() if isinstance(value, (list, dict)) else value
