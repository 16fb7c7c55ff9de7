"""``README.md`` of an output folder: a dataset card that lists the files to load and says how they came about."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import yaml

from phrasemill.engine.manifest import Manifest, Totals, totals, write_atomic
from phrasemill.schemas.config import RunConfig
from phrasemill.schemas.generate import GenerateConfig
from phrasemill.schemas.policy import Policy

CARD_NAME: Final = "README.md"

_DONE: Final = {
    "scan": "scanned",
    "clean": "cleaned",
    "run": "cleaned",
    "generate": "generated",
    "probe": "collected",
}

_COLUMNS: Final = {
    "sft": {
        "id": "the input's own id, or a hash of the conversation",
        "messages": "the conversation: a list of role and content",
        "pm_action": "what was done with the row",
        "pm_rules": "the rules that hit the row",
        "pm_trait_id": "the trait that a model wrote under, where one did",
        "pm_original_hash": "BLAKE3 of the original conversation",
        "pm_shard, pm_row": "where the row stood; the key of everything in `evidence/`",
    },
    "preference": {
        "prompt, chosen, rejected": "the conversation up to the turn, its mended text, and the flagged original",
        "pm_row_id, pm_shard, pm_row, pm_turn": "where the pair comes from",
        "pm_trait_id": "the trait that a model wrote under, where one did",
        "pm_reason": "the rules that flagged the rejected side, joined by commas",
        "pm_kind": "how the chosen side was made",
        "pm_length_ratio": "length of the chosen side to that of the rejected side",
    },
}


def render_card(manifest: Manifest, config: RunConfig | GenerateConfig) -> str:
    """Return the card's text. The same manifest and configuration give the same text, wherever and whenever."""
    sums = totals(manifest)
    parts = [
        _front_matter(manifest),
        f"# Chat data, {_DONE[manifest.command]} by phrasemill\n",
        _summary(manifest, sums),
        "## Rows\n",
        _table(("outcome", "rows", "share"), _outcome_rows(sums)),
        "## What was found\n",
        _found(manifest, sums, config.policy),
        *_published(sums),
        "## How it was made\n",
        _made(manifest, config),
        "## Licence\n",
        "The licence of the input applies to what is published here; phrasemill adds no terms of its own. Text that a "
        "model wrote may also be subject to the terms of that model.\n",
    ]
    return "\n".join(parts)


def write_card(out: Path, manifest: Manifest, config: RunConfig | GenerateConfig) -> None:
    """Write ``README.md``."""
    write_atomic(out / CARD_NAME, render_card(manifest, config).encode())


def described_action(policy: Policy, category: str) -> str:
    """Say what the policy does with a category, in words: ``strip, else regenerate``."""
    action = policy.action(category, category)
    return f"strip, else {action.otherwise}" if action.do == "strip" else action.do


def _front_matter(manifest: Manifest) -> str:
    """YAML that dataset loaders read: which files are which configuration. Without it they would load the evidence."""
    configs: list[dict[str, object]] = []
    for table in ("sft", "preference"):
        paths = [file.path for file in manifest.files(table) if file.rows]
        if paths:
            configs.append({"config_name": table, "data_files": [{"split": "train", "path": paths}]})
    if configs:
        configs[0]["default"] = True
    front: dict[str, object] = {"tags": ["phrasemill"], "task_categories": ["text-generation"]}
    if configs:
        front["configs"] = configs
    else:
        front["viewer"] = False
    return f"---\n{yaml.safe_dump(front, sort_keys=False, width=200)}---\n"


def _summary(manifest: Manifest, sums: Totals) -> str:
    sample = ""
    if manifest.limit is not None:
        sample = f" It is a sample of {manifest.limit:,} rows, drawn with seed {manifest.seed}."
    elif manifest.head is not None:
        sample = f" It covers the first {manifest.head:,} rows of the input."
    if manifest.command == "scan":
        return f"Phrases found in {sums.rows_in:,} conversations; nothing was changed or published.{sample}\n"
    if manifest.command in ("generate", "probe"):
        return (
            f"{sums.rows_in:,} items were begun, {sums.rows['sft']:,} are published as SFT data and "
            f"{sums.rows['queries']:,} as queries, with {sums.rows['preference']:,} preference pairs. Every item ended "
            "in exactly one of the outcomes below.\n"
        )
    return (
        f"Of {sums.rows_in:,} conversations, {sums.rows['sft']:,} are published as SFT data, with "
        f"{sums.rows['preference']:,} preference pairs.{sample} Every row that was read ended in exactly one of the "
        "outcomes below, and every published turn that was changed has passed the rules that flagged it.\n"
    )


def _outcome_rows(sums: Totals) -> Iterable[tuple[str, ...]]:
    for outcome, rows in sums.outcomes.items():
        yield outcome, f"{rows:,}", _share(rows, sums.rows_in)
    yield "all", f"{sums.rows_in:,}", _share(sums.rows_in, sums.rows_in)


def _found(manifest: Manifest, sums: Totals, policy: Policy) -> str:
    if not sums.hits:
        return "No rule hit.\n"
    acts = manifest.command != "scan"
    heads = ("category", "rows", "share of rows", "hits", "excused by the text")
    rows = []
    for category, count in sums.hits.items():
        row = (category, f"{count.rows:,}", _share(count.rows, sums.rows_in), f"{count.spans:,}", f"{count.exempt:,}")
        rows.append((*row, described_action(policy, category), f"{count.left:,}") if acts else row)
    return _table((*heads, "action", "left in the data") if acts else heads, rows)


def _published(sums: Totals) -> Iterable[str]:
    names = {"sft": "SFT data", "preference": "Preference data"}
    for table, columns in _COLUMNS.items():
        if not sums.rows[table]:
            continue
        size = f"{sums.rows[table]:,} rows in {sums.files[table]:,} files, {sums.bytes[table] / 1e6:.1f} MB."
        yield f"## {names[table]}\n"
        yield f"{size} Columns beside those of the input:\n"
        yield "".join(f"- {_code(name)}: {meaning}\n" for name, meaning in columns.items())
        if table == "preference":
            counts = (*sums.pairs.items(), *((f"withheld: {why}", n) for why, n in sums.pairs_withheld.items()))
            yield _table(("pairs", "number"), ((name, f"{count:,}") for name, count in counts))


def _made(manifest: Manifest, config: RunConfig | GenerateConfig) -> str:
    filters = ", ".join(item.use for item in config.filters)
    lines = [
        f"phrasemill {manifest.phrasemill}, command `{manifest.command}`",
        f"rule packs: {', '.join(config.packs)}; filters: {filters}",
    ]
    if manifest.command in ("run", "generate", "probe"):
        model = f" with the model {config.backend.model}" if config.backend.model else ""
        traits = ", ".join(config.traits.use)
        recipe = f"recipe {config.recipe.use}; " if isinstance(config, GenerateConfig) else ""
        lines.append(f"{recipe}written under: {traits}; backend {config.backend.use}{model}")
    lines += [
        f"seed {manifest.seed}; plan {_code(manifest.plan)}; configuration {_code(manifest.config)}",
        "`config.yaml` holds every setting; the same input, version and settings give the same files, except what a "
        "model server answers differently when asked again",
        "`manifest.json` lists every file with its rows and checksum: `phrasemill verify .` checks them",
        "`evidence/` holds every hit, original, verdict and answer: `duckdb -init catalog.sql`, then for example "
        "`FROM openers LIMIT 10`",
    ]
    return "".join(f"- {line}\n" for line in lines)


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table; the first column is text, the others are set to the right."""
    names = list(heads)
    lines = [names, ["---", *["---:"] * (len(names) - 1)], *map(list, rows)]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def _code(text: str) -> str:
    return f"`{text}`"


def _share(rows: int, of: int) -> str:
    return f"{rows / of:.2%}" if of else "-"
