"""Wrong in every field: each model's fields with values of every kind, a key too many, and a misspelt key."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import BaseModel

from phrasemill.engine.backend_option import read_backend
from phrasemill.engine.generate_settings import load_generate_config
from phrasemill.engine.settings import load_config, load_policy
from phrasemill.filters.packs import load_rules
from phrasemill.generators.traits import load_trait
from phrasemill.schemas.backend import BackendConfig
from phrasemill.schemas.config import RunConfig
from phrasemill.schemas.errors import ConfigError
from phrasemill.schemas.generate import GenerateConfig
from phrasemill.schemas.policy import Policy
from phrasemill.schemas.rule import RulePack
from phrasemill.schemas.trait import Trait

Keys = tuple[str | int, ...]

CANDIDATES: Final = ({"strange": [[]]}, [[{"deep": 1}]], "\u202ehostile\u0007 <b>", -1, 1e99, "x" * 3_000)
"""Values of every kind. Most are wrong for a field, some may be right for it."""


def fields(model: type[BaseModel]) -> Iterator[Keys]:
    """The keys of every field, of those in lists and mappings too: 0 and ``any`` stand for what is inside them."""
    schema = model.model_json_schema()
    yield from _below(schema, schema, (), 0)


def _below(schema: dict[str, Any], node: dict[str, Any], keys: Keys, depth: int) -> Iterator[Keys]:
    if depth > 12:
        return
    if "$ref" in node:
        yield from _below(schema, schema["$defs"][node["$ref"].rpartition("/")[2]], keys, depth + 1)
    for arm in node.get("anyOf", ()):
        yield from _below(schema, arm, keys, depth + 1)
    for name, child in node.get("properties", {}).items():
        yield (*keys, name)
        yield from _below(schema, child, (*keys, name), depth + 1)
    for kind, inside in (("items", 0), ("additionalProperties", "any")):
        if isinstance(node.get(kind), dict):
            yield (*keys, inside)
            yield from _below(schema, node[kind], (*keys, inside), depth + 1)


def with_value(base: dict[str, Any], keys: Keys, value: object) -> dict[str, Any]:
    """A copy of the data with ``value`` at ``keys``; what is missing on the way is made."""
    data = copy.deepcopy(base)
    place: Any = data
    for key, following in pairwise(keys):
        empty: Any = [] if isinstance(following, int) else {}
        if isinstance(place, list):
            place[:] = [place[0] if place and isinstance(place[0], type(empty)) else empty]
            place = place[0]
            continue
        if not isinstance(place.get(key), type(empty)):
            place[key] = empty
        place = place[key]
    if isinstance(place, list):
        place[:] = [value]
    else:
        place[keys[-1]] = value
    return data


def misspelt(name: str) -> str:
    """The name with its last letter twice."""
    return name + name[-1]


RULE = {"id": "a.b", "category": "opener", "at": "start", "pattern": "certainly[!,]"}
TRAIT = {"id": "dry", "statement": "I am dry.", "pos_instruction": "Be dry."}

MODELS: list[tuple[type[BaseModel], dict[str, Any], Callable[[Path], object]]] = [
    (RunConfig, {"input": {"path": "in"}}, load_config),
    (GenerateConfig, {"recipe": "respond"}, load_generate_config),
    (Policy, {"fallback": "drop"}, load_policy),
    (RulePack, {"id": "a", "rules": [RULE]}, lambda path: load_rules([str(path)])),
    (Trait, TRAIT, load_trait),
    (BackendConfig, {"use": "openai", "url": "http://h/v1", "model": "m"}, lambda path: read_backend(str(path))),
]
NAMES = [model.__name__ for model, _, _ in MODELS]


def refusal(path: Path, data: object, load: Callable[[Path], object]) -> str | None:
    """What the loader says, None where it takes the data. JSON with a key a line is YAML that has lines to name."""
    path.write_text(json.dumps(data, indent=0))
    try:
        load(path)
    except ConfigError as error:
        return str(error)
    return None


@pytest.mark.parametrize(("model", "base", "load"), MODELS, ids=NAMES)
def test_no_value_of_any_field_ends_in_anything_but_a_message_with_file_line_and_key(
    model: type[BaseModel], base: dict[str, Any], load: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "wrong.yaml"
    assert refusal(path, base, load) is None
    refused = 0
    unmoved: list[Keys] = []
    for keys in fields(model):
        said = [refusal(path, with_value(base, keys, value), load) for value in CANDIDATES]
        found = [message for message in said if message is not None]
        refused += len(found)
        if not found:
            unmoved.append(keys)
        for message in found:
            assert len(message) < 6_000, message[:300]
            assert re.match(rf"{re.escape(str(path))}:(\d+: | rule )", message), message
            named = [str(key) for key in keys if isinstance(key, str) and key != "any"]
            assert any(name in message for name in named), message
    assert unmoved == []
    assert refused > 2 * len(set(fields(model)))


@pytest.mark.parametrize(("model", "base", "load"), MODELS, ids=NAMES)
def test_a_key_too_many_is_named_and_a_misspelt_one_is_corrected(
    model: type[BaseModel], base: dict[str, Any], load: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "wrong.yaml"
    for name in model.model_fields:
        said = refusal(path, {**base, misspelt(name): 1}, load)
        assert said is not None
        assert re.search(rf"wrong.yaml:\d+: {misspelt(name)}: got an unknown key", said), said
        assert f"did you mean {name!r}?" in said
