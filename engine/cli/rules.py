"""``phrasemill rules``: what packs hold, what is wrong with them, and whether their examples hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from phrasemill.engine.cli.output import say, show, show_json
from phrasemill.schemas.errors import PackError

if TYPE_CHECKING:
    from phrasemill.engine.rule_cuts import WrongCut
    from phrasemill.filters.examples import Outcome

app = typer.Typer(help="Rule packs: list, lint, test.", no_args_is_help=True, rich_markup_mode=None)

PackNames = Annotated[
    list[str] | None, typer.Argument(metavar="[PACK]...", help="Shipped packs or paths; by default all shipped ones.")
]


@app.command("list")
def list_rules(
    packs: PackNames = None,
    category: Annotated[str | None, typer.Option(metavar="CATEGORY", help="Rules of this category only.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the rules of packs."""
    import pyarrow as pa

    from phrasemill.engine.display import result_table
    from phrasemill.filters.packs import load_rules

    lines: list[dict[str, Any]] = []
    names = _names(packs)
    for name in names:
        for compiled in load_rules([name]):
            rule = compiled.rule
            if category in (None, rule.category):
                parts = {"pack": name, "rule": rule.id, "version": rule.version, "category": rule.category}
                parts |= {"at": rule.at, "frame": rule.frame, "hit": len(rule.examples.hit)}
                lines.append({**parts, "miss": len(rule.examples.miss)})
    if category is not None and not lines:
        known = sorted({rule.rule.category for name in names for rule in load_rules([name])})
        raise PackError(f"--category: got {category!r}, expected one of {', '.join(known)}")
    if as_json:
        show_json(lines)
        return
    show(result_table(pa.Table.from_pylist(lines), max_rows=len(lines)))
    say(f"{len(lines):,} rules in {', '.join(names)}")


@app.command("lint")
def lint_rules(packs: PackNames = None) -> None:
    """Say what is wrong with packs: patterns that are not linear, missing examples, shadowed rules."""
    from phrasemill.filters.lint import lint_packs

    names = _names(packs)
    findings = lint_packs(names)
    for finding in findings:
        say(f"{finding.where}: {finding.code}: {finding.message}")
    if findings:
        say(f"{len(findings):,} complaints")
        raise typer.Exit(PackError.exit_code)
    say(f"ok: {', '.join(names)}")


@app.command("test")
def run_examples_of(packs: PackNames = None) -> None:
    """Run every example of packs: hits hit, misses do not, and a strip leaves the text that the example shows."""
    from phrasemill.engine.rule_cuts import wrong_cuts
    from phrasemill.filters.examples import run_examples

    names = _names(packs)
    outcomes = run_examples(names)
    failed = [outcome for outcome in outcomes if not outcome.passed]
    cuts = wrong_cuts([outcome for outcome in outcomes if outcome.passed], names)
    for outcome in failed:
        say(_failed(outcome))
    for cut in cuts:
        say(_wrong_cut(cut))
    rules = len({outcome.case.rule.rule.id for outcome in outcomes})
    if failed or cuts:
        wrong = len(failed) + len(cuts)
        say(f"{wrong:,} of {len(outcomes):,} examples of {rules:,} rules in {', '.join(names)} fail")
        raise typer.Exit(PackError.exit_code)
    say(f"ok: {len(outcomes):,} examples of {rules:,} rules in {', '.join(names)}")


def _names(packs: list[str] | None) -> list[str]:
    from phrasemill.filters.packs import shipped_packs

    return packs or shipped_packs()


def _failed(outcome: Outcome) -> str:
    case = outcome.case
    hits = [
        f"{hit.rule_id} {case.example.text[hit.start : hit.stop]!r}" + (f" (excused: {hit.exempt})" * bool(hit.exempt))
        for hit in outcome.hits
    ]
    lines = [f"{case.rule.rule.id}: expected {'a hit' if case.wanted else 'no hit'}"]
    lines += [f"  after: {case.example.prompt!r}"] if case.example.prompt else []
    return "\n".join([*lines, f"  text: {case.example.text!r}", f"  hits: {', '.join(hits) or 'none'}"])


def _wrong_cut(cut: WrongCut) -> str:
    example = cut.case.example
    got = "nothing whole is left" if cut.got is None else repr(cut.got)
    return f"{cut.case.rule.rule.id}: wrong cut\n  text: {example.text!r}\n  wanted: {example.cut!r}\n  got: {got}"
