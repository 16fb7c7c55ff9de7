"""The commands that read shards and write a folder: run, scan, clean."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from phrasemill.engine.cli.output import say
from phrasemill.schemas.errors import ConfigError
from phrasemill.schemas.size import as_bytes

if TYPE_CHECKING:
    from phrasemill.engine.run import RunOptions
    from phrasemill.schemas.config import RunConfig

Inputs = Annotated[list[str], typer.Argument(metavar="INPUT...", help="Files, folders, globs or fsspec URLs.")]
Out = Annotated[
    str, typer.Option("--out", "-o", metavar="DIR", help="Folder or s3:// URL to write; an unfinished run is resumed.")
]
Work = Annotated[
    Path | None,
    typer.Option("--work", metavar="DIR", help="Local folder of a run into a URL; by default in the cache."),
]
PolicyFile = Annotated[
    Path | None, typer.Option("--policy", metavar="FILE", help="A policy, or a whole configuration with one.")
]
Packs = Annotated[
    list[str] | None, typer.Option("--pack", metavar="PACK", help="A shipped pack or a path; may be repeated.")
]
Limit = Annotated[int | None, typer.Option(min=1, metavar="N", help="A seeded sample of N rows over all shards.")]
Head = Annotated[int | None, typer.Option(min=1, metavar="N", help="The first N rows.")]
Recheck = Annotated[
    bool, typer.Option("--recheck", help="Read again all that is published; what is damaged is done anew.")
]
Workers = Annotated[int | None, typer.Option(min=1, metavar="N", help="Shards at once; by default one a core.")]
Memory = Annotated[
    str | None,
    typer.Option("--memory", metavar="SIZE", help="What all processes together may hold, such as 2GB; see `memory`."),
]
Where = Annotated[
    Literal["local", "ray", "slurm"],
    typer.Option("--executor", help="Where shards are worked on. The folder must be at the same path on every node."),
]
Slurm = Annotated[
    list[str] | None,
    typer.Option(
        "--slurm", metavar="KEY=VALUE", help="Of partition, time, cpus, memory (GiB), setup; may be repeated."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]


def run(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A configuration file; see init.")],
    out: Out,
    base: Annotated[
        str | None, typer.Option(metavar="OLD", help="An earlier folder or URL: what is unchanged is taken over.")
    ] = None,
    prune: Annotated[bool, typer.Option("--prune", help="Take back shards that are gone from the input.")] = False,
    recheck: Recheck = False,
    limit: Limit = None,
    head: Head = None,
    workers: Workers = None,
    memory: Memory = None,
    executor: Where = "local",
    slurm: Slurm = None,
    work: Work = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find, decide, repair and regenerate; run it again to resume."""
    from phrasemill.engine.assemble import check_names
    from phrasemill.engine.object_store_base import base_folder
    from phrasemill.engine.run import RunOptions
    from phrasemill.engine.settings import load_config

    _one_sample(limit, head)
    earlier = None if base is None else base_folder(base)
    loaded = _limited(load_config(config), memory)
    check_names(loaded)
    options = RunOptions(
        mode="run",
        limit=limit,
        head=head,
        workers=workers,
        base=earlier,
        prune=prune,
        recheck=recheck,
        show_progress=_watched(quiet),
        **_placed(executor, slurm),
    )
    _execute(loaded, out, work, options, as_json=as_json, quiet=quiet)


def scan(
    inputs: Inputs,
    out: Out,
    pack: Packs = None,
    policy: PolicyFile = None,
    recheck: Recheck = False,
    limit: Limit = None,
    head: Head = None,
    workers: Workers = None,
    memory: Memory = None,
    executor: Where = "local",
    slurm: Slurm = None,
    work: Work = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find only: every hit as evidence and, with a policy, what it would do with it. Nothing is changed."""
    from phrasemill.engine.assemble import assemble
    from phrasemill.engine.run import RunOptions

    _one_sample(limit, head)
    decides = policy is not None
    options = RunOptions(
        mode="scan",
        limit=limit,
        head=head,
        workers=workers,
        decides=decides,
        recheck=recheck,
        show_progress=_watched(quiet),
        **_placed(executor, slurm),
    )
    _execute(_limited(assemble(inputs, policy, pack or None), memory), out, work, options, as_json=as_json, quiet=quiet)


def clean(
    inputs: Inputs,
    out: Out,
    pack: Packs = None,
    policy: PolicyFile = None,
    recheck: Recheck = False,
    limit: Limit = None,
    head: Head = None,
    workers: Workers = None,
    memory: Memory = None,
    executor: Where = "local",
    slurm: Slurm = None,
    work: Work = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Repair without a model; rows that need one are dropped and counted apart."""
    from phrasemill.engine.assemble import assemble
    from phrasemill.engine.run import RunOptions

    _one_sample(limit, head)
    options = RunOptions(
        mode="clean",
        limit=limit,
        head=head,
        workers=workers,
        recheck=recheck,
        show_progress=_watched(quiet),
        **_placed(executor, slurm),
    )
    _execute(_limited(assemble(inputs, policy, pack or None), memory), out, work, options, as_json=as_json, quiet=quiet)


def _limited(config: RunConfig, memory: str | None) -> RunConfig:
    """The configuration with what the command line says of memory."""
    if memory is None:
        return config
    try:
        return config.model_copy(update={"memory": as_bytes(memory)})
    except ValueError as error:
        raise ConfigError(f"--memory: {error}") from error


def _one_sample(limit: int | None, head: int | None) -> None:
    if limit is not None and head is not None:
        raise ConfigError("got --limit and --head, expected one of them")


def _placed(executor: str, slurm: list[str] | None) -> dict[str, Any]:
    """What the run options say about the executor."""
    from phrasemill.engine.executors.slurm_array import slurm_options

    if slurm and executor != "slurm":
        raise ConfigError(f"got --slurm {slurm[0]} with --executor {executor}, expected --executor slurm")
    return {"executor": executor, "slurm": slurm_options(slurm or ()) if executor == "slurm" else None}


def _watched(quiet: bool) -> bool | None:
    """Whether progress is shown: None leaves it to whether stderr is a terminal."""
    return False if quiet else None


def _execute(
    config: RunConfig, out: str, work: Path | None, options: RunOptions, *, as_json: bool, quiet: bool
) -> None:
    """Do it and say what was done. A failed gate is told after the tables, from what was published."""
    from phrasemill.engine.cli.closing import Closing
    from phrasemill.engine.manifest import sound_commits
    from phrasemill.engine.object_store_run import output_place
    from phrasemill.engine.run import GateFailed, execute

    failed: GateFailed | None = None
    try:
        with output_place(out, work, config.input.path) as (folder, on_commit):
            known = frozenset(commit.key for commit in sound_commits(folder)[0])
            report = execute(config, folder, replace(options, on_commit=on_commit))
    except GateFailed as error:
        failed, report = error, error.report
    closing = Closing(report, config.policy if options.decides else None, known, gate=failed)
    if as_json:
        closing.print_json()
    elif not quiet:
        closing.print_tables()
        if on_commit is not None:
            say(f"published to {out}")
    if failed is not None:
        raise failed
