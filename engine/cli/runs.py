"""The commands that read shards and write a folder: run, scan, clean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from phrasemill.schemas.errors import ConfigError

if TYPE_CHECKING:
    from phrasemill.engine.run import RunOptions
    from phrasemill.schemas.config import RunConfig

Inputs = Annotated[list[str], typer.Argument(metavar="INPUT...", help="Files, folders, globs or fsspec URLs.")]
Out = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder to write; an unfinished run is resumed.")]
PolicyFile = Annotated[
    Path | None, typer.Option("--policy", metavar="FILE", help="A policy, or a whole configuration with one.")
]
Packs = Annotated[
    list[str] | None, typer.Option("--pack", metavar="PACK", help="A shipped pack or a path; may be repeated.")
]
Limit = Annotated[int | None, typer.Option(min=1, metavar="N", help="A seeded sample of N rows over all shards.")]
Head = Annotated[int | None, typer.Option(min=1, metavar="N", help="The first N rows.")]
Workers = Annotated[int | None, typer.Option(min=1, metavar="N", help="Processes; by default one a core.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]


def run(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A configuration file; see init.")],
    out: Out,
    base: Annotated[
        Path | None, typer.Option(metavar="OLD", help="An earlier folder: what is unchanged is taken over.")
    ] = None,
    prune: Annotated[bool, typer.Option("--prune", help="Take back shards that are gone from the input.")] = False,
    limit: Limit = None,
    head: Head = None,
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find, decide, repair and regenerate; run it again to resume."""
    from phrasemill.engine.assemble import check_names
    from phrasemill.engine.manifest import read_manifest
    from phrasemill.engine.run import RunOptions
    from phrasemill.engine.settings import load_config

    _one_sample(limit, head)
    if base is not None:
        read_manifest(base)
    loaded = load_config(config)
    check_names(loaded)
    options = RunOptions(
        mode="run", limit=limit, head=head, workers=workers, base=base, prune=prune, show_progress=_watched(quiet)
    )
    _execute(loaded, out, options, as_json=as_json, quiet=quiet)


def scan(
    inputs: Inputs,
    out: Out,
    pack: Packs = None,
    policy: PolicyFile = None,
    limit: Limit = None,
    head: Head = None,
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find only: every hit as evidence and, with a policy, what it would do with it. Nothing is changed."""
    from phrasemill.engine.assemble import assemble
    from phrasemill.engine.run import RunOptions

    _one_sample(limit, head)
    decides = policy is not None
    options = RunOptions(
        mode="scan", limit=limit, head=head, workers=workers, decides=decides, show_progress=_watched(quiet)
    )
    _execute(assemble(inputs, policy, pack or None), out, options, as_json=as_json, quiet=quiet)


def clean(
    inputs: Inputs,
    out: Out,
    pack: Packs = None,
    policy: PolicyFile = None,
    limit: Limit = None,
    head: Head = None,
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Repair without a model; rows that need one are dropped and counted apart."""
    from phrasemill.engine.assemble import assemble
    from phrasemill.engine.run import RunOptions

    _one_sample(limit, head)
    options = RunOptions(mode="clean", limit=limit, head=head, workers=workers, show_progress=_watched(quiet))
    _execute(assemble(inputs, policy, pack or None), out, options, as_json=as_json, quiet=quiet)


def _one_sample(limit: int | None, head: int | None) -> None:
    if limit is not None and head is not None:
        raise ConfigError("got --limit and --head, expected one of them")


def _watched(quiet: bool) -> bool | None:
    """Whether progress is shown: None leaves it to whether stderr is a terminal."""
    return False if quiet else None


def _execute(config: RunConfig, out: Path, options: RunOptions, *, as_json: bool, quiet: bool) -> None:
    """Do it and say what was done. A failed gate is told after the tables, from what was published."""
    from phrasemill.engine.cli.closing import Closing
    from phrasemill.engine.folder import commits_by_key
    from phrasemill.engine.run import GateFailed, execute

    known = frozenset(commits_by_key(out))
    failed: GateFailed | None = None
    try:
        report = execute(config, out, options)
    except GateFailed as error:
        failed, report = error, error.report
    closing = Closing(report, config.policy if options.decides else None, known, gate=failed)
    if as_json:
        closing.print_json()
    elif not quiet:
        closing.print_tables()
    if failed is not None:
        raise failed
