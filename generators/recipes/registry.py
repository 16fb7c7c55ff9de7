"""Recipes by name, each imported when it is used."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from pydantic import ValidationError

from phrasemill.generators.recipes.base import Recipe
from phrasemill.schemas.complaints import complaints
from phrasemill.schemas.errors import ConfigError
from phrasemill.schemas.generate import RecipeConfig, RecipeName

_CLASSES: Final[dict[RecipeName, tuple[str, str]]] = {
    "queries": ("queries", "Queries"),
    "respond": ("respond", "Respond"),
    "distill": ("distill", "Distill"),
    "contrast": ("contrast", "Contrast"),
    "constitutional": ("constitutional", "Constitutional"),
    "introspect": ("introspect", "Introspect"),
    "rewrite": ("rewrite", "Rewrite"),
    "inject": ("inject", "Inject"),
}
"""Module in this folder, and class in it."""


def load_recipe(config: RecipeConfig) -> Recipe:
    """The recipe that a configuration names, with its options.

    Raises:
        ConfigError: an option that it does not have or that has a wrong value; one line each, ``recipe.KEY: ...``.
    """
    module, name = _CLASSES[config.use]
    found: type[Recipe] = getattr(import_module(f"phrasemill.generators.recipes.{module}"), name)
    try:
        return found.model_validate(config.options)
    except ValidationError as error:
        wrong = complaints(found, config.options, error)
        lines = [f"recipe.{message} (recipe {config.use!r})" for _, message in wrong]
        raise ConfigError("\n".join(lines)) from error
