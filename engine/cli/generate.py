"""``phrasemill generate``: a recipe over traits and prompts, and what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from phrasemill.engine.generate import GenerateReport


def generate(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A configuration with a recipe; see the guide.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder to write; run again to resume.")],
    base: Annotated[
        Path | None,
        typer.Option(metavar="OLD", help="An earlier folder: requests that it answered are not sent again."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Put character in: queries, answers, rankings and pairs from written traits."""
    from phrasemill.engine.generate import GenerationIncomplete, execute_generation
    from phrasemill.engine.generate_settings import load_generate_config

    failed: GenerationIncomplete | None = None
    try:
        report = execute_generation(
            load_generate_config(config), out, base=base, show_progress=False if quiet else None
        )
    except GenerationIncomplete as error:
        failed, report = error, error.report
    if as_json:
        _print_json(report)
    elif not quiet:
        _print_tables(report)
    if failed is not None:
        raise failed


def _print_json(report: GenerateReport) -> None:
    from phrasemill.engine.cli.output import show_json

    show_json({"out": str(report.out), "seconds": report.seconds, **_facts(report)})


def _facts(report: GenerateReport) -> dict[str, Any]:
    from dataclasses import asdict

    from phrasemill.engine.generate_confounds import measure_pairs, measure_queries
    from phrasemill.engine.manifest import totals

    sums = totals(report.manifest)
    return {
        "traits": [
            {
                "trait": each.trait,
                "wanted": each.wanted,
                "accepted": each.accepted,
                "items": each.items,
                "pairs": each.pairs,
                "requests": each.requests,
                "sent": each.sent,
                "replayed": each.replayed,
                "completion_tokens": each.completion_tokens,
                "reasons": dict(each.reasons.most_common()),
                "stopped": each.stopped,
                "complete": each.complete,
            }
            for each in report.strata
        ],
        "rows": sums.rows,
        "requests": sums.requests,
        "pairs_withheld": sums.pairs_withheld,
        "confounds": measure_pairs(report.out, report.manifest),
        "spread": None if (spread := measure_queries(report.out, report.manifest)) is None else asdict(spread),
        "mixed": None if report.mixed is None else {"wanted": report.mixed.wanted, "rows": report.mixed.rows},
        "overrides_missed": list(report.overrides_missed),
        "taken_back": list(report.taken_back),
    }


def _print_tables(report: GenerateReport) -> None:
    from rich.text import Text

    from phrasemill.engine.cli.output import say, show
    from phrasemill.engine.display import counts_table, facts_table, shown
    from phrasemill.engine.generate_confounds import measure_pairs, measure_queries
    from phrasemill.engine.generate_view import confound_table, stratum_table
    from phrasemill.engine.manifest import TABLES, totals

    sums = totals(report.manifest)
    show(Text("traits", style="bold"), stratum_table(report.strata), Text(""))
    if sums.reasons:
        show(Text("why items were not accepted", style="bold"), counts_table("reason", "items", sums.reasons), Text(""))
    if sums.pairs_withheld:
        show(Text("pairs withheld", style="bold"), counts_table("reason", "pairs", sums.pairs_withheld), Text(""))
    if confounds := measure_pairs(report.out, report.manifest):
        show(Text("what tells chosen from rejected without reading", style="bold"), confound_table(confounds), Text(""))
    written = {
        TABLES[name]: f"{sums.rows[name]:,} rows, {sums.bytes[name] / 1e6:,.1f} MB in {count:,} files"
        for name, count in sums.files.items()
        if count
    }
    show(Text(f"written to {shown(str(report.out))}", style="bold"), facts_table(written), Text(""))
    sent, replayed = sum(each.sent for each in report.strata), sum(each.replayed for each in report.strata)
    tokens = sum(each.completion_tokens for each in report.strata)
    pace = tokens / report.seconds if report.seconds else 0.0
    if (spread := measure_queries(report.out, report.manifest)) is not None:
        say(spread.summary())
    say(f"{sent:,} requests sent, {replayed:,} answered from earlier ones, {pace:.1f} tokens/s, {report.seconds:.1f} s")
    if report.taken_back:
        say(f"{len(report.taken_back):,} damaged shards were done anew")
    if report.mixed is not None and report.mixed.rows < report.mixed.wanted:
        say(f"the dose asks for {report.mixed.wanted:,} clean rows, there were {report.mixed.rows:,}")
    if missed := report.overrides_missed:
        first = ", ".join(missed[:3]) + ", ..." * (len(missed) > 3)
        say(f"{len(missed):,} verdicts are on rows that did not come up, or not on their last answer: {first}")
