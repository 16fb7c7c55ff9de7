"""What there is to do: for each trait, items in a fixed order, from probe prompts, queries, a dataset, or a recipe."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import pyarrow.parquet as pq
from blake3 import blake3

from phrasemill.engine.manifest import MANIFEST_NAME, read_manifest
from phrasemill.engine.read import read_shard
from phrasemill.engine.shards import InputPlan, plan_input
from phrasemill.generators.ask import Item, item_key
from phrasemill.generators.recipes.base import Recipe
from phrasemill.generators.tasks import Message
from phrasemill.schemas.config import InputConfig
from phrasemill.schemas.errors import ConfigError, InputError
from phrasemill.schemas.generate import GenerateConfig
from phrasemill.schemas.trait import Trait

Opening = tuple[tuple[Message, ...], str]
"""A conversation to work on, and whether the trait should show in it (``presence``, ``absence`` or unknown, empty)."""

_BATCH: Final = 1_000


@dataclass(frozen=True, slots=True)
class Openings:
    """Conversations of all traits. ``identity`` differs when others would be read, or the same in another order."""

    recipe: Recipe
    weights: tuple[tuple[str, float], ...]
    identity: str
    queries: tuple[Path, ...] = ()
    plan: InputPlan | None = None

    def round(self, trait: Trait, repeat: int) -> Iterator[Opening]:
        """The conversations of a trait, in order. Only a recipe that makes its own gives others in another round."""
        if self.recipe.works_on == "nothing":
            yield from ((messages, "") for messages in self.recipe.seeds(trait, repeat))
        elif self.queries:
            yield from _from_queries(self.queries, trait)
        elif self.plan is not None:
            yield from self._from_dataset(self.plan, trait)
        else:
            yield from (((Message("user", prompt),), "") for prompt in trait.probe_prompts)

    def items(self, trait: Trait, *, rounds: bool) -> Iterator[Item]:
        """Items of a trait in a fixed order, round after round without end where ``rounds``, else one round.

        A conversation that comes again, in the same round or in another, is another item with seeds of its own.
        """
        times: Counter[bytes] = Counter()
        number = 0
        while True:
            found = False
            for messages, aim in self.round(trait, number):
                found = True
                name = blake3(orjson.dumps([list(message) for message in messages])).digest(length=16)
                key = item_key(trait, messages, times[name])
                times[name] += 1
                yield Item(trait, key, messages, row_id=f"{self.recipe.name}-{trait.id}-{key[:16]}", aim=aim)
            if not rounds or not found:
                return
            number += 1

    def _from_dataset(self, plan: InputPlan, trait: Trait) -> Iterator[Opening]:
        """Rows of a dataset that fall to the trait: by weight and the hash of their content."""
        whole = self.recipe.works_on == "conversations"
        for shard in plan.shards:
            for batch in read_shard(shard, plan.only(shard)):
                names = ("messages",) if "messages" in plan.shape.fields else ("prompt", "chosen")
                columns = [batch.table[name].to_pylist() for name in names]
                for parts in zip(*columns, strict=True):
                    messages = _conversation([turn for part in parts for turn in part], whole=whole)
                    if messages and _falls_to(messages, self.weights) == trait.id:
                        yield messages, ""


def openings(config: GenerateConfig, recipe: Recipe, traits: Sequence[Trait]) -> Openings:
    """Where the configuration's conversations come from.

    Raises:
        ConfigError, InputError: nothing to read from, or it cannot be read.
    """
    weights = tuple((trait.id, config.traits.weights.get(trait.id, 1.0)) for trait in traits)
    if recipe.works_on == "nothing":
        return Openings(recipe, weights, _identity([]))
    if not config.prompts.path:
        return _of_probes(recipe, weights, traits)
    paths = [path for name in config.prompts.path for path in published_files(name, "queries", "sft")]
    if recipe.works_on == "prompts" and paths and all("/data/queries/" in path for path in paths):
        return Openings(recipe, weights, _identity(map(_digest, paths)), queries=tuple(map(Path, paths)))
    answered = recipe.works_on == "conversations"
    plan = plan_input(InputConfig(path=tuple(paths), columns=config.prompts.columns), answered=answered)
    # A plan does not know the order of its files, and items are counted in it.
    identity = _identity([plan.fingerprint(), *(shard.key for shard in plan.shards)])
    return Openings(recipe, weights, identity, plan=plan)


def published_files(name: str, *tables: str) -> list[str]:
    """The files of the first of ``tables`` that an output folder of ours has; of anything else its own name."""
    folder = Path(name)
    if not (folder / MANIFEST_NAME).is_file():
        return [name]
    manifest = read_manifest(folder)
    for table in tables:
        if files := manifest.files(table):
            return [str(folder / file.path) for file in files]
    raise InputError(f"{folder}: has none of {', '.join(tables)}; expected a folder that was finished, with rows in it")


def _of_probes(recipe: Recipe, weights: tuple[tuple[str, float], ...], traits: Sequence[Trait]) -> Openings:
    if recipe.works_on == "conversations":
        raise ConfigError(
            f"prompts.path: is empty; the recipe {recipe.name} works on existing conversations: name a dataset, or an "
            "output folder of clean or run"
        )
    for trait in traits:
        if not trait.probe_prompts:
            raise ConfigError(
                f"prompts.path: is empty, and trait {trait.id} has no probe_prompts; name a dataset or an output "
                "folder of the recipe queries, or give the trait prompts"
            )
    return Openings(recipe, weights, _identity([]))


def _identity(parts: Iterable[str]) -> str:
    return blake3(json.dumps(list(parts)).encode()).hexdigest()[:32]


def _digest(path: str) -> str:
    return blake3().update_mmap(path).hexdigest()


def _from_queries(paths: Sequence[Path], trait: Trait) -> Iterator[Opening]:
    for path in paths:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for batch in file.iter_batches(_BATCH, columns=["messages", "pm_trait_id", "pm_aim"]):
                for row in batch.to_pylist():
                    if row["pm_trait_id"] in (None, trait.id):
                        messages = tuple(Message(turn["role"], turn["content"]) for turn in row["messages"])
                        yield messages, row["pm_aim"] or ""


def _conversation(turns: Sequence[dict[str, Any]], *, whole: bool) -> tuple[Message, ...]:
    """The conversation up to its last assistant turn, or up to its last user turn; empty where it has none."""
    last = "assistant" if whole else "user"
    places = [place for place, turn in enumerate(turns) if turn["role"] == last and (turn["content"] or "").strip()]
    if not places:
        return ()
    return tuple(Message(turn["role"], turn["content"] or "") for turn in turns[: places[-1] + 1])


def _falls_to(messages: Sequence[Message], weights: Sequence[tuple[str, float]]) -> str:
    """The trait of a row of a dataset. A trait that is added takes its share from all others alike."""
    if len(weights) == 1:
        return weights[0][0]
    text = json.dumps(list(messages), ensure_ascii=False)

    def draw(trait: str, weight: float) -> float:
        # Weighted rendezvous hashing: the largest of u ** (1 / weight) falls to each trait by its weight.
        digest = blake3(f"{trait}\n{text}".encode()).digest(length=8)
        return ((int.from_bytes(digest, "big") + 1) / 2.0**64) ** (1.0 / weight) if weight else -1.0

    return max(weights, key=lambda pair: draw(*pair))[0]
