"""Configuration files and folders: read, checked, made independent of where they were read, written back."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from phrasemill.engine.source import is_remote
from phrasemill.filters.packs import shipped_packs
from phrasemill.schemas.backend import BackendConfig
from phrasemill.schemas.config import FilterConfig, RunConfig
from phrasemill.schemas.documents import parse_model, read_document
from phrasemill.schemas.errors import ConfigError
from phrasemill.schemas.judge import JudgeConfig
from phrasemill.schemas.policy import Policy

_FREE: Final = (
    "policy.gate",
    "memory",
    *(f"{section}.{key}" for section in ("backend", "judge.backend") for key in sorted(BackendConfig.UNDECIDING)),
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
        document.data["input"] = {"path": "."}
        return parse_model(RunConfig, document, ConfigError).policy, None
    return parse_model(Policy, document, ConfigError), None


def resolved(config: RunConfig, base: Path) -> RunConfig:
    """The configuration with absolute paths, so that it means the same wherever it is read."""
    paths = tuple(path if is_remote(path) else str(under(base, path)) for path in config.input.path)
    packs = tuple(resolved_pack(name, base) for name in config.packs)
    traits_dir = None if config.traits.dir is None else str(under(base, config.traits.dir))
    return config.model_copy(
        update={
            "input": config.input.model_copy(update={"path": paths}),
            "packs": packs,
            "filters": tuple(with_backend(with_packs(each, packs), config.backend) for each in config.filters),
            "traits": config.traits.model_copy(update={"dir": traits_dir}),
            "backend": with_model_paths(config.backend, base),
            "judge": with_paths(config.judge, base),
            "overrides": None if config.overrides is None else str(under(base, config.overrides)),
        }
    )


def with_model_paths(backend: BackendConfig, base: Path) -> BackendConfig:
    """The backend with absolute paths: an interpreter, a folder of logs, and a model where it is a folder or file."""
    paths = {name: getattr(backend, name) for name in ("python", "log_dir", "api_key_file")}
    if backend.is_started and backend.model is not None and under(base, backend.model).exists():
        paths["model"] = backend.model
    # The interpreter of an environment is often a link, which names the environment: it is not followed.
    return backend.model_copy(update={name: str(under(base, path)) for name, path in paths.items() if path is not None})


def with_packs(config: FilterConfig, packs: Sequence[str]) -> FilterConfig:
    """The regex filter reads the packs of the configuration unless it names its own."""
    if config.use != "regex" or "packs" in config.options:
        return config
    return FilterConfig.model_validate({"use": config.use, **config.options, "packs": tuple(packs)})


def with_paths(judge: JudgeConfig, base: Path) -> JudgeConfig:
    """The judge with absolute paths."""
    files = {name: getattr(judge, name) for name in ("path", "calibration")}
    changes: dict[str, Any] = {name: str(under(base, path)) for name, path in files.items() if path is not None}
    if judge.backend is not None:
        changes["backend"] = with_model_paths(judge.backend, base)
    return judge.model_copy(update=changes)


def with_backend(config: FilterConfig, backend: BackendConfig) -> FilterConfig:
    """A judge asks the backend of the configuration unless it names its own."""
    if config.use != "judge" or "backend" in config.options:
        return config
    asked = backend.model_dump(mode="json", exclude_unset=True)
    return FilterConfig.model_validate({"use": config.use, **config.options, "backend": asked})


def resolved_pack(name: str, base: Path) -> str:
    """A shipped pack by its name, another by its absolute path."""
    if not name.strip() or name in shipped_packs():
        return name
    return str(under(base, name))


def under(base: Path, path: str) -> Path:
    """The path, relative ones under ``base``, without dots in it."""
    return Path(os.path.normpath(path if Path(path).is_absolute() else base / path))


def dump_config(config: RunConfig) -> str:
    """The configuration as YAML, every key spelled out."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def differences(old: RunConfig, new: RunConfig) -> list[str]:
    """Keys in which two configurations differ, as ``key: old -> new``."""
    before, after = dict(leaves(old.model_dump(mode="json"))), dict(leaves(new.model_dump(mode="json")))
    return [
        f"{key}: {before.get(key, 'nothing')} -> {after.get(key, 'nothing')}"
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key) and not key.startswith(_FREE)
    ]


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """The values of nested data, each with its keys joined by dots."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from leaves(inner, f"{key}.{name}" if key else str(name))
    else:
        yield key, value
