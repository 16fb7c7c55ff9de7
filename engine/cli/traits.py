"""``phrasemill traits``: the traits that ship, one of them in full, and whether own files can be used."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from phrasemill.engine.cli.output import complain, say, show, show_json, write
from phrasemill.schemas.errors import TraitError

app = typer.Typer(help="Traits: list, show, validate.", no_args_is_help=True, rich_markup_mode=None)


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
