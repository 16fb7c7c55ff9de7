"""The commands before a run: init, validate, plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from phrasemill.engine.cli.output import say, show, show_json
from phrasemill.schemas.errors import ConfigError

if TYPE_CHECKING:
    from phrasemill.engine.estimate import Estimate

TEMPLATES: Final = Path(__file__).parents[1] / "templates"
"""What ``init`` copies, under the same relative names."""

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="A configuration file; see init.")]


def init(folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to write.")] = Path()) -> None:
    """Write a commented config.yaml, every key with its default, and a traits folder with an example."""
    names = sorted(path.relative_to(TEMPLATES) for path in TEMPLATES.rglob("*.yaml"))
    if there := [str(folder / name) for name in names if (folder / name).exists()]:
        raise ConfigError(f"{', '.join(there)}: already there and left alone; name another folder: phrasemill init DIR")
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text((TEMPLATES / name).read_text("utf-8"), "utf-8")
        say(f"wrote {folder / name}")
    say(f"edit input.path, then: phrasemill validate {folder / 'config.yaml'}")


def validate(config: ConfigFile) -> None:
    """Check a configuration, its packs, policy, traits and input; nothing is written."""
    from phrasemill.schemas.documents import read_document

    document = read_document(config)
    if isinstance(document.data, dict) and "recipe" in document.data:
        _validate_generation(config)
    else:
        _validate_run(config)
    say(f"ok: {config}")


def _validate_generation(config: Path) -> None:
    from phrasemill.engine.display import facts_table
    from phrasemill.engine.generate_prepare import prepare, shares
    from phrasemill.engine.generate_settings import load_generate_config

    prepared = prepare(load_generate_config(config))
    loaded, wanted = prepared.config, shares(prepared.config, prepared.traits)
    backend = loaded.backend
    show(
        facts_table(
            {
                "recipe": prepared.recipe.name,
                "traits": ", ".join(f"{trait.id} (version {trait.version})" for trait in prepared.traits),
                "prompts": ", ".join(loaded.prompts.path) or "those of the traits or the recipe",
                "rows": ", ".join(f"{rows:,} {name}" for name, rows in wanted.items()) or "one for each prompt",
                "where": ", ".join(loaded.accept.where) or "no further condition",
                "filters": ", ".join(each.name for each in prepared.filters),
                "backend": " ".join(part for part in (backend.use, backend.model, backend.url) if part),
            }
        )
    )


def _validate_run(config: Path) -> None:
    from phrasemill.engine.assemble import check_names
    from phrasemill.engine.display import facts_table
    from phrasemill.engine.settings import load_config
    from phrasemill.engine.shard_job import load_filters
    from phrasemill.engine.shards import plan_input
    from phrasemill.filters.packs import load_rules
    from phrasemill.generators.traits import load_traits

    loaded = load_config(config)
    filters = load_filters(loaded)
    check_names(loaded)
    traits = load_traits(loaded.traits)
    plan = plan_input(loaded.input, seed=loaded.seed)
    rows = "not counted before reading" if plan.rows is None else f"{plan.rows:,}"
    backend = loaded.backend
    show(
        facts_table(
            {
                "packs": ", ".join(f"{name} ({len(load_rules([name])):,} rules)" for name in loaded.packs),
                "filters": ", ".join(each.name for each in filters),
                "policy": ", ".join(sorted({*loaded.policy.actions, *loaded.policy.density})) or "the default",
                "traits": ", ".join(f"{trait.id} (version {trait.version})" for trait in traits),
                "backend": " ".join(part for part in (backend.use, backend.model, backend.url) if part),
                "input": f"{len(plan.files):,} files, {len(plan.shards):,} shards",
                "rows": rows,
                "shape": plan.shape.kind,
                "columns kept": ", ".join(plan.schema.names) or "none",
            }
        )
    )


def plan(
    config: ConfigFile,
    base: Annotated[
        Path | None, typer.Option(metavar="DIR", help="An earlier folder: its rates, and what it has done.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="As of a run with --limit.")] = None,
    head: Annotated[int | None, typer.Option(min=1, metavar="N", help="As of a run with --head.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what a run would read, ask for and take: shards, rows, requests, tokens, hours."""
    from phrasemill.engine.assemble import check_names
    from phrasemill.engine.display import facts_table, plan_table
    from phrasemill.engine.estimate import estimate, plan_sources
    from phrasemill.engine.settings import load_config
    from phrasemill.engine.shards import plan_input

    if limit is not None and head is not None:
        raise ConfigError("got --limit and --head, expected one of them")
    loaded = load_config(config)
    check_names(loaded)
    planned = plan_input(loaded.input, limit=limit, head=head, seed=loaded.seed)
    sources = plan_sources(planned, base)
    expected = estimate(loaded, planned, base)
    if as_json:
        from dataclasses import asdict

        show_json({"sources": [asdict(source) for source in sources], **asdict(expected)})
    else:
        show(plan_table(sources), "", facts_table(_facts(expected)))


def _facts(expected: Estimate) -> dict[str, str]:
    """The estimate in words."""
    about = "" if expected.rows_exact else "about "
    facts = {
        "rows": f"{about}{expected.rows:,}",
        "judged now": f"{expected.sample_rows:,} rows of them, a seeded sample",
        "rows for a model": f"{expected.model_share:.2%}, about {expected.model_rows:,}",
    }
    if expected.model_rows:
        ends = (
            f"as many a turn as in {expected.base}"
            if expected.base
            else f"one a turn; {expected.requests_at_most:,} if every turn takes all attempts"
        )
        facts |= {
            "requests": f"about {expected.requests:,} ({ends})",
            "prompt tokens": f"about {expected.prompt_tokens:,} (four characters a token)",
            "completion tokens": f"about {expected.completion_tokens:,}, at most the mean length of an answer each",
        }
        model = expected.model_hours
        facts["model time"] = "not measured yet: --base DIR of an earlier run" if model is None else duration(model)
    facts["CPU time"] = duration(expected.cpu_hours)
    return facts


def duration(hours: float) -> str:
    """Hours in the unit that reads best."""
    if hours >= 1:
        return f"{hours:,.1f} hours"
    return f"{hours * 60:.1f} minutes" if hours * 60 >= 1 else f"{hours * 3600:.1f} seconds"
