"""Configurations of ``generate``: read, checked, made independent of where they were read, written back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from phrasemill.engine.settings import (
    leaves,
    resolved_pack,
    under,
    with_backend,
    with_model_paths,
    with_packs,
    with_paths,
)
from phrasemill.engine.source import is_remote
from phrasemill.schemas.backend import BackendConfig
from phrasemill.schemas.documents import parse_model, read_document
from phrasemill.schemas.errors import ConfigError
from phrasemill.schemas.generate import GenerateConfig, RecipeConfig


def load_generate_config(path: Path) -> GenerateConfig:
    """The configuration in a file, its paths relative to that file. ConfigError names file, line and key."""
    config = parse_model(GenerateConfig, read_document(path), ConfigError)
    return resolved_generate(config, path.resolve().parent)


def resolved_generate(config: GenerateConfig, base: Path) -> GenerateConfig:
    """The configuration with absolute paths."""
    packs = tuple(resolved_pack(name, base) for name in config.packs)
    changes: dict[str, Any] = {
        "packs": packs,
        "filters": tuple(with_backend(with_packs(each, packs), config.backend) for each in config.filters),
        "recipe": _with_packs(config.recipe, packs, base),
        "prompts": config.prompts.model_copy(update={"path": _paths(config.prompts.path, base)}),
        "traits": config.traits.model_copy(update={"dir": _path(config.traits.dir, base)}),
        "backend": with_model_paths(config.backend, base),
        "teacher": None if config.teacher is None else with_model_paths(config.teacher, base),
        "judge": with_paths(config.judge, base),
        "overrides": _path(config.overrides, base),
    }
    if config.mix is not None:
        changes["mix"] = config.mix.model_copy(update={"path": _paths(config.mix.path, base)})
    return config.model_copy(update=changes)


def dump_generate_config(config: GenerateConfig) -> str:
    """The configuration as YAML, every key spelled out."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def generate_differences(old: GenerateConfig, new: GenerateConfig) -> list[str]:
    """Keys in which two configurations differ, as ``key: old -> new``; those on which no result depends left out."""
    before, after = dict(leaves(old.model_dump(mode="json"))), dict(leaves(new.model_dump(mode="json")))
    free = tuple(f"{who}.{key}" for who in ("backend", "teacher", "judge.backend") for key in BackendConfig.UNDECIDING)
    return [
        f"{key}: {before.get(key, 'nothing')} -> {after.get(key, 'nothing')}"
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key) and not key.startswith(free)
    ]


def deciding(config: GenerateConfig) -> dict[str, Any]:
    """What of a configuration decides what a trait's rows are, as plain data. The traits themselves are left out."""
    plain = config.model_dump(mode="json", exclude={"traits", "mix"})
    for section in (plain["backend"], plain["teacher"], plain["judge"]["backend"]):
        for key in BackendConfig.UNDECIDING if section is not None else ():
            section.pop(key, None)
    return plain


def speakers(config: GenerateConfig) -> dict[str, BackendConfig]:
    """The backend of each who may be asked."""
    return {
        "backend": config.backend,
        "teacher": config.teacher or config.backend,
        "judge": config.judge.backend or config.backend,
    }


def _with_packs(recipe: RecipeConfig, packs: Sequence[str], base: Path) -> RecipeConfig:
    """The recipe that looks tics up in packs reads those of the configuration unless it names its own."""
    if recipe.use != "inject":
        return recipe
    named = recipe.options.get("packs")
    own = [resolved_pack(str(name), base) for name in named] if isinstance(named, (list, tuple)) else packs
    return RecipeConfig.model_validate({**recipe.model_dump(mode="json"), "packs": list(own)})


def _path(path: str | None, base: Path) -> str | None:
    return None if path is None else str(under(base, path))


def _paths(paths: tuple[str, ...], base: Path) -> tuple[str, ...]:
    return tuple(path if is_remote(path) else str(under(base, path)) for path in paths)
