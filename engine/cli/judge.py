"""``phrasemill judge``: judge a data set, hold a judge against labelled pairs, train a small one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from phrasemill.engine.cli.output import say, show, show_json
from phrasemill.schemas.errors import ConfigError, GateError

if TYPE_CHECKING:
    from phrasemill.engine.judge_report import Judged, JudgedTrait
    from phrasemill.generators.judging.calibration import Calibration, Figures

app = typer.Typer(help="Judges of answers: run, calibrate, train.", no_args_is_help=True, rich_markup_mode=None)

Traits = Annotated[
    Path | None, typer.Option("--traits", metavar="DIR", help="Trait files; default: the traits that ship.")
]
Use = Annotated[list[str] | None, typer.Option("--use", metavar="ID", help="A trait; default: all of them.")]
Backend = Annotated[
    str, typer.Option("--backend", metavar="local|URL|FILE", help="Who judges: a server, or a file of backend keys.")
]
Model = Annotated[str | None, typer.Option("--model", metavar="NAME", help="The model's name at a URL.")]
Limit = Annotated[int | None, typer.Option(min=1, metavar="N", help="A seeded sample of N.")]
Seed = Annotated[int, typer.Option(min=0, help="Of samples and intervals.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def run(
    inputs: Annotated[
        list[str], typer.Argument(metavar="DIR...", help="Output folders, or files, folders, globs of any data set.")
    ],
    backend: Backend,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT", help="The folder to write to.")],
    traits: Traits = None,
    use: Use = None,
    model: Model = None,
    what: Annotated[Literal["sft", "pairs"], typer.Option(help="Last answers one by one, or pairs.")] = "sft",
    across: Annotated[bool, typer.Option("--across", help="Every row under every trait, not its own alone.")] = False,
    limit: Limit = None,
    seed: Seed = 1,
    as_json: Json = False,
) -> None:
    """Grade the last answer of every row by its trait, or compare the answers of every pair in both orders."""
    from phrasemill.engine.backend_option import read_backend
    from phrasemill.engine.judge_desk import traits_in_use
    from phrasemill.engine.judge_run import Judging, run_judge

    chosen = traits_in_use(traits, use or ())
    judging = Judging(tuple(inputs), chosen, read_backend(backend, model), what, across, limit, seed)
    report = run_judge(judging, out)
    if as_json:
        show_json(report.model_dump(mode="json"))
    else:
        _print_judged(report, out)


@app.command()
def calibrate(
    backend: Backend,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="The folder for calibration.json.")],
    traits: Traits = None,
    use: Use = None,
    model: Model = None,
    limit: Limit = None,
    seed: Seed = 1,
    as_json: Json = False,
) -> None:
    """Hold a judge against the good and bad answers of trait files; exit code 3 where it must not gate pairs."""
    from phrasemill.engine.backend_option import read_backend
    from phrasemill.engine.judge_calibrate import calibrate as hold_against
    from phrasemill.engine.judge_desk import traits_in_use
    from phrasemill.generators.judging.calibration import CALIBRATION_NAME, trusted
    from phrasemill.schemas.judge import JudgeConfig

    report = hold_against(traits_in_use(traits, use or ()), read_backend(backend, model), out, limit=limit, seed=seed)
    path = out / CALIBRATION_NAME
    doubt = trusted(JudgeConfig(calibration=str(path)), report.model)
    if as_json:
        show_json({**_calibration_facts(report), "untrusted": doubt})
    else:
        _print_calibration(report)
        say(f"written to {path}")
    if doubt:
        raise GateError(
            f"{doubt}. No pair that this judge gates is published, unless judge.trust_uncalibrated is set by name"
        )


@app.command()
def train(
    data: Annotated[list[str], typer.Argument(metavar="DATA...", help="Output of the recipe contrast, or pairs.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="A file to write, ending in .bin.")],
    trait: Annotated[str, typer.Option(metavar="ID", help="The trait whose pairs are learned from.")],
    seed: Annotated[int, typer.Option(min=0, help="Of the held-out split and of training.")] = 1,
    as_json: Json = False,
) -> None:
    """Train a small model that tells answers with a trait from answers without it."""
    from phrasemill.engine.trait_classifier import train_trait

    if out.suffix != ".bin":
        raise ConfigError(f"--out: got {str(out)!r}, expected a name that ends in .bin")
    record = train_trait(data, trait, out, seed=seed)
    if as_json:
        show_json(record.model_dump(mode="json"))
        return
    from phrasemill.engine.display import facts_table

    low, high = record.auc_interval
    show(
        facts_table(
            {
                "pairs": f"{record.learned:,} learned from, {record.held_out:,} held out",
                "held-out pairs in order": _with(record.agreement, record.agreement_interval),
                "held-out answers on the right side": _with(record.accuracy, record.accuracy_interval),
                "area under the curve": f"{record.auc:.3f} ({low:.3f} to {high:.3f})",
                "area that length alone reaches": f"{record.length_auc:.3f}",
                "written to": str(out),
            }
        )
    )


def _print_judged(report: Judged, out: Path) -> None:
    import pyarrow as pa

    from phrasemill.engine.display import counts_table, result_table

    seen = [each for each in report.traits if each.judged or each.compared]
    rows = [_compared_row(each) if report.what == "pairs" else _judged_row(each) for each in seen]
    if rows:
        show(result_table(pa.Table.from_pylist(rows), max_rows=len(rows)))
    if report.skipped:
        show(counts_table("not judged because", "rows", report.skipped))
    say(f"{report.model}: {report.sent:,} requests sent, {report.replayed:,} answered from earlier ones")
    say(f"written to {out}")


def _judged_row(each: JudgedTrait) -> dict[str, Any]:
    low, high = each.mean_interval or (None, None)
    return {
        "trait": each.trait_id,
        "n": each.judged,
        "mean": "-" if each.mean is None else f"{each.mean:.1f} ({low:.1f} to {high:.1f})",
        "refusals": _share(each.refusals, each.judged),
        "invalid": _share(each.invalid, each.judged),
        "addressed": _share(each.addressed, each.judged),
    }


def _compared_row(each: JudgedTrait) -> dict[str, Any]:
    return {
        "trait": each.trait_id,
        "n": each.compared,
        "chosen wins": "-" if each.win_rate is None else _with(each.win_rate, each.win_interval),
        "ties": _share(each.ties, each.compared),
        "consistent": "-" if each.consistency is None else f"{each.consistency:.1%}",
        "invalid": _share(each.invalid_pairs, each.compared),
        "addressed": _share(each.addressed_pairs, each.compared),
    }


def _print_calibration(report: Calibration) -> None:
    import pyarrow as pa

    from phrasemill.engine.display import result_table

    parts = [(each.trait_id, each.elided, each.pointwise, each.pairwise) for each in report.traits]
    parts.append(("all", report.elided, report.pointwise, report.pairwise))
    rows = [
        {
            "trait": name,
            "pairs": alone.pairs,
            "elided": elided,
            "graded alone: agrees": _agreement(alone),
            "tied": alone.tied,
            "refusal": alone.undecided,
            "invalid": _share(alone.invalid, alone.pairs),
            "compared: agrees": _agreement(both),
            "consistent": _share(both.pairs - both.invalid - both.undecided, both.pairs - both.invalid),
            "invalid pairs": _share(both.invalid, both.pairs),
        }
        for name, elided, alone, both in parts
        if alone.pairs or elided
    ]
    show(result_table(pa.Table.from_pylist(rows), max_rows=len(rows)))
    say(f"judge: {report.model}")


def _calibration_facts(report: Calibration) -> dict[str, Any]:
    ways = {"pointwise": report.pointwise, "pairwise": report.pairwise}
    sums = {
        name: {**figures.model_dump(), "agreement": figures.agreement, "interval": figures.interval}
        for name, figures in ways.items()
    }
    return {**report.model_dump(mode="json"), **sums, "consistency": report.consistency, "elided": report.elided}


def _agreement(figures: Figures) -> str:
    return _with(figures.agreement, figures.interval) if figures.decided else "-"


def _with(share: float, interval: Sequence[float] | None) -> str:
    low, high = interval or (0.0, 1.0)
    return f"{share:.1%} ({low:.1%} to {high:.1%})"


def _share(part: int, of: int) -> str:
    return f"{part / of:.1%}" if of else "-"
