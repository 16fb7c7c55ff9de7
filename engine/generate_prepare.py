"""Everything that a configuration of ``generate`` names, read and checked before anything is asked or written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from phrasemill.engine.generate_items import Openings, openings
from phrasemill.engine.generate_mix import check_mix
from phrasemill.engine.generate_where import read_predicates
from phrasemill.engine.overrides import Overrides, load_overrides
from phrasemill.engine.shard_job import load_filters
from phrasemill.engine.source import SourceFile
from phrasemill.filters.base import Filter
from phrasemill.generators.recipes.base import Recipe
from phrasemill.generators.recipes.registry import load_recipe
from phrasemill.generators.traits import load_traits
from phrasemill.schemas.errors import ConfigError
from phrasemill.schemas.generate import GenerateConfig
from phrasemill.schemas.trait import Trait


@dataclass(frozen=True, slots=True)
class Prepared:
    """A configuration that can be worked. ``clean``: the files of the clean data that is mixed in, hashed."""

    config: GenerateConfig
    recipe: Recipe
    traits: tuple[Trait, ...]
    openings: Openings
    filters: tuple[Filter, ...]
    overrides: Overrides
    clean: tuple[SourceFile, ...]


def prepare(config: GenerateConfig) -> Prepared:
    """Read and check what the configuration names. Nothing is asked and nothing is written.

    Raises:
        ConfigError, TraitError, InputError: what was got, what was expected.
    """
    recipe = load_recipe(config.recipe)
    traits = load_traits(config.traits)
    if not traits:
        raise ConfigError("traits.use: is empty; name at least one trait, for example caring")
    if len({trait.id for trait in traits}) < len(traits):
        raise ConfigError(f"traits.use: got {', '.join(config.traits.use)}, expected each trait once")
    shares(config, traits)
    recipe.check(config, traits)
    read_predicates(config.accept.where)
    return Prepared(
        config=config,
        recipe=recipe,
        traits=traits,
        openings=openings(config, recipe, traits),
        filters=load_filters(config),
        overrides=load_overrides(None if config.overrides is None else Path(config.overrides)),
        clean=check_mix(config),
    )


def shares(config: GenerateConfig, traits: Sequence[Trait]) -> dict[str, int]:
    """Rows wanted of each trait: by weight, whole, and together exactly ``accept.rows``.

    A trait that is absent is done with every item; without ``accept.rows`` all are but those of weight 0.
    """
    rows = config.accept.rows
    weights = {trait.id: config.traits.weights.get(trait.id, 1.0) for trait in traits}
    total = sum(weights.values())
    if not total:
        raise ConfigError("traits.weights: all are 0; at least one trait must have a weight")
    if rows is None:
        return {name: 0 for name, weight in weights.items() if not weight}
    exact = {name: rows * weight / total for name, weight in weights.items()}
    shares = {name: int(share) for name, share in exact.items()}
    rest = sorted(exact, key=lambda name: (shares[name] - exact[name], name))
    for name in rest[: rows - sum(shares.values())]:
        shares[name] += 1
    return shares
