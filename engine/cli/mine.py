"""``phrasemill mine``: the phrases that a model has and others have not, as a table and as a pack to review."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from phrasemill.engine.cli.output import say, show, show_json
from phrasemill.schemas.errors import ConfigError

if TYPE_CHECKING:
    from phrasemill.engine.mine import Mined
    from phrasemill.engine.mine_pack import MinedPack
    from phrasemill.filters.mining import Phrase


def mine(
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT...", help="Files, folders, globs or fsspec URLs.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="PACK.yaml", help="The pack to write.")] = None,
    by: Annotated[str | None, typer.Option("--by", metavar="COLUMN", help="The column that names the model.")] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="Whose answers; the other rows are compared with.")
    ] = None,
    against: Annotated[
        list[str] | None, typer.Option("--against", metavar="OTHER", help="Other answers to compare with.")
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, metavar="N", help="Phrases at most.")] = 50,
    min_documents: Annotated[
        int | None, typer.Option("--min-documents", min=2, metavar="N", help="Answers that must hold a phrase.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Find the phrases that answers have more often than others do, and write a pack of them to review."""
    from phrasemill.engine.mine import Mining, Source, run_mining
    from phrasemill.engine.mine_pack import prove
    from phrasemill.filters.mining_pack import pack_yaml

    name = _pack_name(out)
    mining = Mining(
        tuple(inputs), by, model, tuple(against or ()), top, min_documents, show_progress=False if quiet else None
    )
    source = Source(mining)
    mined = run_mining(mining, source)
    pack = prove(mined, mining, source, name)
    if out is not None and pack.pack.rules:
        out.write_text(pack_yaml(pack.pack), "utf-8")
    if as_json:
        show_json(_facts(mined, pack))
    elif not quiet:
        _print(mined, pack, out)


def _pack_name(out: Path | None) -> str:
    """The id of the pack: the name of its file. Nothing is overwritten: it may have been reviewed."""
    from phrasemill.engine.mine_pack import PACK_ID

    if out is None:
        return "mined"
    if out.suffix not in (".yaml", ".yml") or not PACK_ID.fullmatch(out.stem):
        raise ConfigError(
            f"--out: got {out.name!r}, expected a name such as mined.yaml: at most 30 lower-case letters, digits, "
            "'_' and '-', since it begins the id of every rule"
        )
    if out.exists():
        raise ConfigError(f"--out: {out} is already there and left alone; name another file or move it away")
    if not out.parent.is_dir():
        raise ConfigError(f"--out: the folder {out.parent} does not exist; make it first")
    return out.stem


def _facts(mined: Mined, pack: MinedPack) -> dict[str, Any]:
    """What was compared, and every phrase with its figures; ``elsewhere`` is expected where words are compared."""
    phrases = []
    for place, phrase in enumerate(mined.phrases):
        figures = {"phrase": _shown(phrase.tokens), "here": phrase.here, "elsewhere": phrase.elsewhere}
        figures |= {"here_share": phrase.here / phrase.n_here, "elsewhere_share": _share(phrase)}
        figures |= {"at_least_times": phrase.ratio, "z": phrase.z, "q": phrase.q, "prompts": phrase.prompts}
        figures |= {"in_prompt": phrase.in_prompt, "rule": pack.rules.get(place), "example": pack.shown.get(place)}
        phrases.append(figures)
    return {
        "against": mined.against,
        "matched_prompts": mined.matched,
        "answers": {"here": mined.here_seen, "elsewhere": mined.elsewhere_seen},
        "counted": {"here": len(mined.here_keys), "elsewhere": len(mined.elsewhere_keys)},
        "phrases": phrases,
        "rules": len(pack.pack.rules),
    }


def _print(mined: Mined, pack: MinedPack, out: Path | None) -> None:
    import pyarrow as pa

    from phrasemill.engine.display import result_table

    say(pack.pack.description.partition(". ")[0])
    if not mined.phrases:
        say("no phrase stands out: none passes the test; more answers, or others to compare with, may show some")
        return
    lines = [
        {
            "phrase": _shown(phrase.tokens),
            "here": f"{phrase.here / phrase.n_here:.2%}",
            "elsewhere": f"{_share(phrase):.3%}",
            "at least": f"{phrase.ratio:,.1f}x",
            "z": f"{phrase.z:.1f}",
            "q": f"{phrase.q:.1e}",
            "prompts": phrase.prompts,
            "example": pack.shown.get(place, ""),
        }
        for place, phrase in enumerate(mined.phrases)
    ]
    show(result_table(pa.Table.from_pylist(lines), max_rows=len(lines)))
    say("^ start of the answer, $ its end, ¶ line break")
    left = len(mined.phrases) - len(pack.rules)
    if left:
        say(f"{left:,} phrases have no rule: another rule hits first, or too few sentences show them")
    if out is not None and pack.pack.rules:
        say(f"wrote {out}: {len(pack.pack.rules):,} rules; review it, then: phrasemill rules test {out}")


def _share(phrase: Phrase) -> float:
    return phrase.elsewhere / max(phrase.n_elsewhere, 1)


def _shown(tokens: tuple[str, ...]) -> str:
    from phrasemill.filters.mining_pack import shown_phrase

    return shown_phrase(tokens)
