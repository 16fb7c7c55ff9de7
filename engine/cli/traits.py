"""``phrasemill traits``: those that ship, one in full, whether own files can be used, and files of other projects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from phrasemill.engine.cli.output import complain, say, show, show_json, write
from phrasemill.schemas.errors import TraitError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phrasemill.engine.trait_import import FileReport
    from phrasemill.generators.importers.base import Remark

app = typer.Typer(help="Traits: list, show, validate, import.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_traits(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the traits that come with phrasemill."""
    from phrasemill.engine.display import facts_table
    from phrasemill.generators.traits import list_builtin

    found = list_builtin()
    if as_json:
        show_json([trait.model_dump(mode="json") for trait in found])
    else:
        show(facts_table({trait.id: trait.statement for trait in found}))


@app.command("show")
def show_trait(
    name: Annotated[str, typer.Argument(metavar="ID", help="The id of a trait that ships.")],
) -> None:
    """Print a trait as YAML, every key spelled out."""
    import yaml

    from phrasemill.generators.traits import load_traits
    from phrasemill.schemas.config import TraitsConfig

    (trait,) = load_traits(TraitsConfig(use=(name,)))
    write(yaml.safe_dump(trait.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100))


@app.command("validate")
def validate_traits(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Trait files.")],
) -> None:
    """Check trait files; every file is checked before the exit code says whether one fails."""
    from phrasemill.generators.traits import load_trait

    failed = False
    for path in files:
        try:
            trait = load_trait(path)
        except TraitError as error:
            failed = True
            complain(f"error: {error}")
        else:
            say(f"ok: {path}: {trait.id}, version {trait.version}")
    if failed:
        raise typer.Exit(TraitError.exit_code)


@app.command("import")
def import_files(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Constitutions, specifications or prose.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of the trait files.")],
    kind: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="open-character, persona-vectors, constitutional, model-spec or prose; auto looks at each file.",
        ),
    ] = "auto",
    prefix: Annotated[str, typer.Option("--id-prefix", metavar="TEXT", help="What every id begins with.")] = "",
    harmful: Annotated[
        bool, typer.Option("--harmful", help="Mark every trait as harmful by intent: used only where allowed by name.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace trait files that say something else.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Turn files of other projects into trait files, and say what could not be taken over."""
    from dataclasses import asdict

    from phrasemill.engine.trait_import import REPORT_NAME, import_traits

    reports = import_traits(files, out, kind, prefix, harmful=harmful, force=force)
    if as_json:
        show_json({name: asdict(report) for name, report in reports.items()})
        return
    for name, report in reports.items():
        _print_import(name, report)
    traits = {trait_id for report in reports.values() for trait_id in report.traits}
    say(f"{len(traits):,} traits in {out}; every remark with its words: {out / REPORT_NAME}")


def _print_import(name: str, report: FileReport) -> None:
    from phrasemill.engine.display import facts_table

    say(f"{name}: {report.format}")
    facts = {what: f"{count:,}" for what, count in report.counts.items()}
    show(facts_table({**facts, "trait files written": f"{len(report.written):,}"}))
    for title, remarks in (("taken over, but not as it stood", report.changed), ("left behind", report.left)):
        if remarks:
            say(f"{title}: {len(remarks):,}")
            show(facts_table(_by_reason(remarks)))
    say()


def _by_reason(remarks: Iterable[Remark]) -> dict[str, str]:
    """How often and where, for every reason; items are named as far as a line has room."""
    found: dict[str, list[str]] = {}
    for remark in remarks:
        found.setdefault(remark.reason, []).append(f"line {remark.line} {remark.item}")
    shown = 3
    return {
        f"  {len(items):,} x {reason}": "; ".join(items[:shown])
        + (f"; {len(items) - shown:,} more" if items[shown:] else "")
        for reason, items in found.items()
    }
