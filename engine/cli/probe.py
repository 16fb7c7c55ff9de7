"""``phrasemill probe``: what a model says to the prompts of traits, as a folder like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from phrasemill.engine.cli.output import say, show, show_json
from phrasemill.schemas.errors import ConfigError


def probe(
    backend: Annotated[
        str, typer.Option("--backend", metavar="local|URL|FILE", help="Who is asked: a server, or a file of its keys.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder to write; run again to resume.")],
    traits: Annotated[
        Path | None, typer.Option("--traits", metavar="DIR", help="Trait files; default: the traits that ship.")
    ] = None,
    use: Annotated[list[str] | None, typer.Option("--use", metavar="ID", help="A trait; default: all of them.")] = None,
    model: Annotated[str | None, typer.Option("--model", metavar="NAME", help="The model's name at a URL.")] = None,
    repeat: Annotated[int, typer.Option(min=1, metavar="N", help="Answers to each prompt.")] = 1,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="What the requests' own seeds are made of.")] = 1,
    system: Annotated[
        Path | None, typer.Option("--system", metavar="FILE", help="A system message to ask everything under.")
    ] = None,
    in_character: Annotated[
        bool, typer.Option("--in-character", help="Tell the model to speak in each trait; by default it is not told.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Ask a model the probe prompts of traits and keep what it really says, unfiltered."""
    from phrasemill.engine.backend_option import read_backend
    from phrasemill.engine.judge_desk import traits_in_use
    from phrasemill.engine.probe import ProbeConfig, execute_probe
    from phrasemill.engine.probe_view import probed_traits
    from phrasemill.schemas.config import TraitsConfig

    named = tuple(dict.fromkeys(use or ()))
    chosen = traits_in_use(traits, named)
    config = ProbeConfig(
        traits=TraitsConfig(
            use=tuple(trait.id for trait in chosen),
            dir=None if traits is None else str(traits.resolve()),
            allow_harmful=tuple(trait.id for trait in chosen if trait.harmful and trait.id in named),
        ),
        backend=read_backend(backend, model),
        repeat=repeat,
        in_character=in_character,
        system="" if system is None else _text(system),
        seed=seed,
    )
    report = execute_probe(config, chosen, out, show_progress=False if quiet or as_json else None)
    table = probed_traits(report.out)
    if as_json:
        facts = {"out": str(report.out), "sent": report.sent, "replayed": report.replayed, "seconds": report.seconds}
        facts["taken_back"] = report.taken_back
        show_json({**facts, "silent": report.silent, "traits": table.to_pylist()})
    elif not quiet:
        from phrasemill.engine.display import result_table

        show(result_table(table, max_rows=len(table)), "")
        for trait in report.silent:
            say(f"{trait} has no probe prompts and was not asked")
        if report.taken_back:
            say(f"{len(report.taken_back):,} damaged shards were done anew")
        say(f"{report.sent:,} requests sent, {report.replayed:,} answered from earlier ones, {report.seconds:.1f} s")
        say(
            f"written to {report.out}; compare two of them: phrasemill diff A B, phrasemill sample B -o DIR --against A"
        )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"--system {path}: cannot be read: {reason}") from error
