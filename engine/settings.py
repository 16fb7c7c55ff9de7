"""Configuration files and folders: read, checked, made independent of where they were read, written back."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from phrasemill.engine.source import is_remote
from phrasemill.filters.packs import PACKS
from phrasemill.schemas.config import BackendConfig, FilterConfig, RunConfig
from phrasemill.schemas.documents import parse_model, read_document
from phrasemill.schemas.errors import ConfigError
from phrasemill.schemas.policy import Policy

_FREE: Final = (
    "policy.gate",
    "backend.concurrency",
    "backend.threads",
    "backend.timeout_seconds",
    "backend.api_key_env",
)
"""Keys on which no result depends: they may change between two runs in one folder."""


_CONFIGURES: Final = RunConfig.model_fields.keys() - Policy.model_fields.keys() - {"policy"}
"""Keys that only a configuration has."""


def load_config(path: Path) -> RunConfig:
    """The configuration in a file, its paths relative to that file. ConfigError names file, line and key."""
    config = parse_model(RunConfig, read_document(path), ConfigError)
    return resolved(config, path.resolve().parent)


def load_policy(path: Path) -> tuple[Policy, RunConfig | None]:
    """The policy in a file: a policy alone, or that of a configuration, which comes with it and may lack its input."""
    document = read_document(path)
    if isinstance(document.data, dict) and _CONFIGURES.intersection(document.data):
        document.data.setdefault("input", {"path": "."})
        config = resolved(parse_model(RunConfig, document, ConfigError), path.resolve().parent)
        return config.policy, config
    if isinstance(document.data, dict) and set(document.data) == {"policy"}:
        body = {"input": {"path": "."}, **document.data}
        return RunConfig.model_validate(body).policy, None
    return parse_model(Policy, document, ConfigError), None


def resolved(config: RunConfig, base: Path) -> RunConfig:
    """The configuration with absolute paths, so that it means the same wherever it is read."""
    paths = tuple(path if is_remote(path) else str(_under(base, path)) for path in config.input.path)
    packs = tuple(_resolved_pack(name, base) for name in config.packs)
    traits_dir = None if config.traits.dir is None else str(_under(base, config.traits.dir))
    return config.model_copy(
        update={
            "input": config.input.model_copy(update={"path": paths}),
            "packs": packs,
            "filters": tuple(with_backend(with_packs(each, packs), config.backend) for each in config.filters),
            "traits": config.traits.model_copy(update={"dir": traits_dir}),
        }
    )


def with_packs(config: FilterConfig, packs: Sequence[str]) -> FilterConfig:
    """The regex filter reads the packs of the configuration unless it names its own."""
    if config.use != "regex" or "packs" in config.options:
        return config
    return FilterConfig.model_validate({"use": config.use, **config.options, "packs": tuple(packs)})


def with_backend(config: FilterConfig, backend: BackendConfig) -> FilterConfig:
    """A judge asks the backend of the configuration unless it names its own."""
    if config.use != "judge" or "backend" in config.options:
        return config
    asked = backend.model_dump(mode="json", exclude_unset=True)
    return FilterConfig.model_validate({"use": config.use, **config.options, "backend": asked})


def _resolved_pack(name: str, base: Path) -> str:
    if (PACKS / name).exists() or (PACKS / f"{name}.yaml").exists():
        return name
    return str(_under(base, name))


def _under(base: Path, path: str) -> Path:
    return Path(os.path.normpath(path if Path(path).is_absolute() else base / path))


def dump_config(config: RunConfig) -> str:
    """The configuration as YAML, every key spelled out."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def differences(old: RunConfig, new: RunConfig) -> list[str]:
    """Keys in which two configurations differ, as ``key: old -> new``."""
    before, after = dict(_leaves(old.model_dump(mode="json"))), dict(_leaves(new.model_dump(mode="json")))
    return [
        f"{key}: {before.get(key, 'nothing')} -> {after.get(key, 'nothing')}"
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key) and not key.startswith(_FREE)
    ]


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(inner, f"{key}.{name}" if key else str(name))
    else:
        yield key, value
