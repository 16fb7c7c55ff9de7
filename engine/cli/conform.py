"""The command that holds a folder against traits, against gates and against another folder: conform."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from phrasemill.engine.cli.output import say, show, show_json


def conform(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that run, clean, generate or probe wrote.")],
    traits: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Trait files, or the statements of an imported spec.")
    ] = None,
    use: Annotated[list[str] | None, typer.Option(metavar="ID", help="Only this trait; may be repeated.")] = None,
    judged: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="What judge run wrote for the folder; may be repeated.")
    ] = None,
    against: Annotated[Path | None, typer.Option(metavar="OTHER", help="Another folder to compare with.")] = None,
    judged_against: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="What judge run wrote for OTHER; may be repeated.")
    ] = None,
    gate: Annotated[
        list[str] | None,
        typer.Option(metavar="GATE", help="'NAME OP NUMBER', such as 'pass_rate >= 0.8'; may be repeated."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Write conform.md and conform.json there.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what a folder has on every trait or statement of a spec; exit code 3 where a gate does not hold."""
    from phrasemill.engine.conform import Request, write_conformance
    from phrasemill.engine.conform import conform as measure
    from phrasemill.engine.conform_gates import raise_failed, read_gates
    from phrasemill.engine.conform_view import conformance_tables
    from phrasemill.engine.conform_words import summary

    report = measure(
        Request(
            folder=folder,
            traits=traits,
            use=tuple(use or ()),
            judged=tuple(judged or ()),
            against=against,
            judged_against=tuple(judged_against or ()),
            gates=read_gates(gate or ()),
            show_progress=False if as_json else None,
        )
    )
    written = () if out is None else write_conformance(report, out)
    if as_json:
        show_json(report.model_dump(mode="json"))
    else:
        for table in conformance_tables(report):
            show(table, "")
        for line in summary(report):
            say(line)
        for path in written:
            say(str(path))
    raise_failed(report.gates)
