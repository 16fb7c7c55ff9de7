"""A configuration from what stands on a command line: inputs, a policy, packs. And whether its names exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import ValidationError

from phrasemill.engine.settings import load_policy, resolved
from phrasemill.engine.shard_job import load_filters
from phrasemill.filters.regex import RegexFilter
from phrasemill.schemas.config import FilterConfig, InputConfig, RunConfig
from phrasemill.schemas.errors import ConfigError
from phrasemill.schemas.policy import Policy
from phrasemill.schemas.tables import CATEGORIES


def assemble(
    inputs: Sequence[str | Path], policy: Policy | str | Path | None = None, packs: Sequence[str] | None = None
) -> RunConfig:
    """The configuration of a scan or clean, its paths absolute.

    ``policy``: a policy, or a file that holds one or a whole configuration, whose packs, filters and traits then count
    too; ``packs``, where given, come before those.

    Raises:
        ConfigError: no input, a file that cannot be used, or a policy that names what no pack has.

    """
    if not inputs:
        raise ConfigError("got no input, expected files, folders, globs or URLs")
    whole = None
    if policy is not None and not isinstance(policy, Policy):
        policy, whole = load_policy(Path(policy))
    parts: dict[str, object] = {"policy": policy or Policy()}
    if whole is not None:
        parts |= {"packs": whole.packs, "filters": whole.filters, "traits": whole.traits, "overrides": whole.overrides}
    if packs is not None:
        named = whole.filters if whole is not None else RunConfig.model_fields["filters"].default
        parts |= {"packs": tuple(packs), "filters": tuple(map(_without_packs, named))}
    try:
        read = InputConfig(path=tuple(map(str, inputs)))
    except ValidationError as error:  # its own message repeats the address, which may hold a password
        said = error.errors(include_url=False, include_input=False)[0]["msg"].partition(", ")[2]
        raise ConfigError(f"input: {said}") from None
    config = RunConfig(input=read).model_copy(update=parts)
    config = resolved(config, Path.cwd())
    check_names(config)
    return config


def _without_packs(config: FilterConfig) -> FilterConfig:
    options = {name: value for name, value in config.options.items() if name != "packs" or config.use != "regex"}
    return FilterConfig.model_validate({"use": config.use, **options})


def check_names(config: RunConfig) -> None:
    """Refuse a policy that names a rule or category that no pack has: it would silently do nothing.

    Filters other than packs may bring names that are not known before they run: beside one, nothing is refused.
    """
    filters = load_filters(config)
    rules = [rule.rule for each in filters if isinstance(each, RegexFilter) for rule in each.rules]
    if not all(isinstance(each, RegexFilter) for each in filters):
        return
    ids = {rule.id for rule in rules}
    categories = {*CATEGORIES, *(rule.category for rule in rules)}
    for key, names in (("actions", config.policy.actions), ("density", config.policy.density)):
        _check(f"policy.{key}", names, ids, categories, config.packs)


def _check(key: str, names: Iterable[str], ids: set[str], categories: set[str], packs: Sequence[str]) -> None:
    for name in names:
        if name not in ids and name not in categories:
            close = difflib.get_close_matches(name, [*categories, *ids], n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise ConfigError(
                f"{key}: got {name!r}, expected a category ({', '.join(sorted(categories))}) or one of the {len(ids)} "
                f"rules of {', '.join(packs)} (phrasemill rules list){hint}"
            )
