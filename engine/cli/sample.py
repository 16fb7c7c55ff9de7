"""``phrasemill sample``: before and after to read, and a table of verdicts to fill in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from phrasemill.engine.cli.output import say, show_json


def sample(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that phrasemill has written.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUTDIR", help="Folder for sample.md and verdicts.csv.")],
    by: Annotated[
        str, typer.Option("--by", metavar="NAMES", help="Any of trait,rule,category,recipe,outcome.")
    ] = "trait,rule",
    rows: Annotated[int, typer.Option("--rows", "-n", min=1, metavar="N", help="Rows at most.")] = 50,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Which rows are drawn.")] = 1,
    against: Annotated[
        Path | None, typer.Option(metavar="OTHER", help="Another build: rows that differ from its rows.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Draw rows to read, before and after, and a table in which a person judges them."""
    from phrasemill.engine.sample import sample as draw
    from phrasemill.engine.sample_view import ONE_FILE, write_sample

    found = draw(folder, _names(by), n=rows, seed=seed, against=against)
    page, verdicts = write_sample(found, out)
    if as_json:
        strata = [each.model_dump(mode="json") for each in found.strata]
        show_json(
            {
                "page": str(page),
                "verdicts": str(verdicts),
                "turns": found.turns,
                "rows": len(found.rows),
                "alone": found.alone,
                "strata": strata,
            }
        )
        return
    kinds = f"{len(found.strata):,} kind{'' if len(found.strata) == 1 else 's'}"
    say(f"{len(found.rows):,} of {found.turns:,} rows, {kinds} by {by}")
    if found.alone:
        say(f"{found.alone:,} rows stand in one of the two folders only and are not drawn")
    say(f"read {page}")
    if found.command == "probe":
        say(f"{verdicts} is for notes: a probe takes no verdicts")
    elif found.overrides is None:
        say(f"judge in {verdicts}, then name it as overrides in the configuration")
    else:
        say(f"judge in {verdicts}; this build has its verdicts from {found.overrides}: {ONE_FILE}")


def _names(by: str) -> list[str]:
    return [name.strip() for name in by.split(",") if name.strip()]
