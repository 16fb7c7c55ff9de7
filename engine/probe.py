"""What a model says to the prompts of traits, untold and unfiltered, laid out like any other data set.

A row's place depends on the trait's id, its prompts and the repeat, never on the model: two checkpoints that were asked
the same stand in the same places, so that their folders can be compared row by row.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from phrasemill.engine.beside import compile_folder
from phrasemill.engine.damage import mend_folder, take_back
from phrasemill.engine.fingerprints import fingerprint
from phrasemill.engine.folder import (
    REQUESTS,
    check_ours,
    commits_by_key,
    fresh_work,
    locked,
    publish_shard,
    sweep,
    unpublish,
)
from phrasemill.engine.generate_lay_out import Block, Ended, write_block
from phrasemill.engine.judge_desk import WINDOW, in_order, until_stopped
from phrasemill.engine.judge_turns import Judge
from phrasemill.engine.manifest import COMMITS_NAME, Manifest, ShardCommit, write_atomic
from phrasemill.engine.probe_evidence import with_hits
from phrasemill.engine.progress import progress
from phrasemill.engine.settings import leaves, with_packs
from phrasemill.engine.shard_job import load_filters
from phrasemill.engine.stopping import stop_on_signals
from phrasemill.generators.ask import Ask, Desk, Item, NoAnswer, Voice, item_key
from phrasemill.generators.attempts import AttemptLog
from phrasemill.generators.backend import open_backend
from phrasemill.generators.recipes.prompting import said, told
from phrasemill.generators.tasks import Hit, Message
from phrasemill.generators.traits import check_harmful, trait_hash
from phrasemill.schemas.backend import BackendConfig, Section
from phrasemill.schemas.config import FilterConfig, InputConfig, OutputConfig, RunConfig, TraitsConfig
from phrasemill.schemas.documents import parse_model, read_document
from phrasemill.schemas.errors import ConfigError
from phrasemill.schemas.policy import Policy
from phrasemill.schemas.trait import Trait

BLOCK_ITEMS: Final = 256
_VERSION: Final = 1
"""Raised by one when the same answers start to make other rows."""

_RECIPE: Final = "probe"
_FREE: Final = (
    "backend.concurrency",
    "backend.threads",
    "backend.timeout_seconds",
    "backend.wait_seconds",
    "backend.api_key_env",
    "backend.api_key_file",
)
"""Keys on which no answer depends."""


class ProbeConfig(Section):
    """What decides the answers of a probe, and how their hits are found; written to ``config.yaml``.

    ``in_character``: the model is told to speak in the trait. ``system``: what it is told beside that.
    """

    traits: TraitsConfig
    backend: BackendConfig = BackendConfig()
    packs: tuple[str, ...] = ("core-en",)
    filters: tuple[FilterConfig, ...] = (FilterConfig(use="regex"),)
    repeat: int = 1
    in_character: bool = False
    system: str = ""
    seed: int = 1


@dataclass(slots=True)
class ProbeReport:
    """What a probe did. ``silent``: traits without a prompt; replayed requests were answered from the log.

    ``taken_back`` blocks were damaged and done anew.
    """

    out: Path
    manifest: Manifest
    silent: tuple[str, ...] = ()
    taken_back: tuple[str, ...] = ()
    sent: int = 0
    replayed: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Probe:
    """What stays the same while a probe goes on. ``blocks``: fingerprints by shard key."""

    config: ProbeConfig
    out: Path
    judge: Judge
    items: tuple[Item, ...]
    blocks: Mapping[str, str]


def execute_probe(
    config: ProbeConfig, traits: Sequence[Trait], out: Path, *, show_progress: bool | None = None
) -> ProbeReport:
    """Ask every prompt of every trait ``config.repeat`` times and publish what comes back; run again to resume.

    Raises:
        ConfigError, TraitError: nothing was changed.
        LockedError: another run writes there.
        BackendError, Interrupted: resumable; finished blocks are published, every answer is kept.
    """
    started = time.monotonic()
    out = out.resolve()
    check_ours(out)
    silent = tuple(trait.id for trait in traits if not trait.probe_prompts)
    if len(silent) == len(traits):
        raise ConfigError(f"probe_prompts: none of {', '.join(silent)} has any; add some to a trait file")
    if config.in_character:
        check_harmful(traits, config.traits.allow_harmful)
    card = _as_run(config)
    judge = Judge(load_filters(card), Policy())
    items = tuple(_items(config, traits))
    probe = _Probe(config, out, judge, items, _blocks(config, traits, items, judge))
    with locked(out), stop_on_signals() as stop:
        mend_folder(out, fingerprint(config.model_dump(mode="json")), _dump(config), None)
        _refuse_other(config, out)
        write_atomic(out / "config.yaml", _dump(config).encode())
        commits = commits_by_key(out)
        taken_back = take_back(out, commits, None, show_progress=show_progress)
        sweep(out, list(commits.values()))
        _retire(probe, commits)
        report = ProbeReport(out, _manifest(probe, commits), silent, taken_back)
        try:
            with progress("probing", len(items), "requests", enabled=show_progress) as advance:
                asyncio.run(until_stopped(_ask_all(probe, commits, report, advance), stop))
        finally:
            report.manifest = compile_folder(out, _manifest(probe, commits), card)
            report.seconds = time.monotonic() - started
    return report


async def _ask_all(
    probe: _Probe, commits: dict[str, ShardCommit], report: ProbeReport, advance: Callable[[int], None]
) -> None:
    """All items that are not published yet, in their order; a block is published when its last one is answered."""
    todo = [item for item in probe.items if item.shard not in commits]
    advance(len(probe.items) - len(todo))
    backend, block = probe.config.backend, list[Ended]()

    async def publish() -> None:
        if block:
            commit = await asyncio.to_thread(_publish, probe, tuple(block))
            commits[commit.key] = commit
            block.clear()

    with AttemptLog(probe.out / REQUESTS) as log:
        async with open_backend(backend) as client:
            desk = _desk(Voice(client, backend), log, probe.config.seed)

            async def work(item: Item) -> Ended:
                return await _answered(Ask(desk, item), probe.config)

            async with aclosing(in_order(todo, work, WINDOW * backend.concurrency)) as ended:
                async for each in ended:
                    if block and block[0].item.shard != each.item.shard:
                        await publish()
                    block.append(each)
                    replayed = sum(attempt.replayed for attempt in each.attempts)
                    report.replayed += replayed
                    report.sent += len(each.attempts) - replayed
                    advance(1)
            await publish()


async def _answered(ask: Ask, config: ProbeConfig) -> Ended:
    """What the model says, whatever it is; dropped only where the request failed."""
    item = ask.item
    instruction = item.trait.pos_instruction if config.in_character else ""
    try:
        answer = await ask(told(instruction, item.messages), part="answer")
    except NoAnswer as error:
        return Ended(item, None, reason=f"failed:{error.reason}", attempts=tuple(ask.attempts))
    return Ended(item, (*item.messages, said(answer.text)), attempts=tuple(ask.attempts))


def _publish(probe: _Probe, ended: Sequence[Ended]) -> ShardCommit:
    item = ended[0].item
    block = Block(
        key=item.shard,
        recipe=_RECIPE,
        source=f"probe prompts of {item.trait.id}",
        source_hash=fingerprint([each.item.key for each in ended]),
        start=0,
        fingerprint=probe.blocks[item.shard],
        seed=probe.config.seed,
    )
    work = fresh_work(probe.out, block.key)
    output = OutputConfig(preference=False)
    commit = with_hits(work, write_block(work, block, ended, output), ended, probe.judge, output)
    publish_shard(probe.out, work, commit)
    return commit


def _items(config: ProbeConfig, traits: Sequence[Trait]) -> Iterator[Item]:
    """Trait by trait, every prompt once and then again; blocks of one trait after the other."""
    system = (Message("system", config.system.strip()),) if config.system.strip() else ()
    for trait in traits:
        prompts = list(dict.fromkeys(trait.probe_prompts))
        rounds = [(prompt, number) for number in range(config.repeat) for prompt in prompts]
        for place, (prompt, number) in enumerate(rounds):
            asked = (Message("user", prompt),)
            block, row = divmod(place, BLOCK_ITEMS)
            yield Item(
                trait,
                item_key(trait, asked, number),
                (*system, *asked),
                shard=f"p{fingerprint([trait.id, prompts, block])[:23]}",
                row=row,
                row_id=f"{_RECIPE}-{trait.id}-{item_key(trait, asked, number)[:16]}",
            )


def _blocks(config: ProbeConfig, traits: Sequence[Trait], items: Sequence[Item], judge: Judge) -> dict[str, str]:
    """What the rows of each block depend on, hashed, by shard key."""
    prints = {
        trait.id: fingerprint(
            [_VERSION, _leaves(config), trait_hash(trait), [each.fingerprint() for each in judge.filters]]
        )
        for trait in traits
    }
    return {item.shard: prints[item.trait.id] for item in items}


def _retire(probe: _Probe, commits: dict[str, ShardCommit]) -> None:
    """Take back blocks of prompts that are not asked any more, and those that would be others; answers are kept."""
    for key, commit in list(commits.items()):
        if probe.blocks.get(key) != commit.fingerprints.get("generate"):
            unpublish(probe.out, commit)
            del commits[key]


def _refuse_other(config: ProbeConfig, out: Path) -> None:
    path = out / "config.yaml"
    if not path.exists() or not (out / COMMITS_NAME).exists():
        return
    document = read_document(path)
    if isinstance(document.data, dict) and document.data.keys() - ProbeConfig.model_fields.keys():
        raise ConfigError(f"{out}: holds what another command wrote, expected a new folder or one of probe")
    before = _leaves(parse_model(ProbeConfig, document, ConfigError))
    after = _leaves(config)
    changed = [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]
    if changed:
        listed = "\n  ".join(f"{key}: {before.get(key, 'nothing')} -> {after.get(key, 'nothing')}" for key in changed)
        raise ConfigError(f"{out}: holds another probe:\n  {listed}\nwrite to a new folder")


def _leaves(config: ProbeConfig) -> dict[str, Any]:
    plain = leaves(config.model_dump(mode="json"))
    return {key: value for key, value in plain if key not in _FREE}


def _dump(config: ProbeConfig) -> str:
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _as_run(config: ProbeConfig) -> RunConfig:
    """The parts that a card tells of."""
    return RunConfig(
        input=InputConfig(path=("probe prompts",)),
        packs=config.packs,
        filters=tuple(with_packs(each, config.packs) for each in config.filters),
        traits=config.traits,
        backend=config.backend,
    )


def _manifest(probe: _Probe, commits: Mapping[str, ShardCommit]) -> Manifest:
    return Manifest(
        command="probe",
        plan=fingerprint([item.key for item in probe.items]),
        config=fingerprint(probe.config.model_dump(mode="json")),
        seed=probe.config.seed,
        shards=tuple(commits.values()),
    )


def _desk(voice: Voice, log: AttemptLog, seed: int) -> Desk:
    """A desk at which nothing is held against an answer."""

    def nothing(*_: object) -> list[Hit]:
        return []

    return Desk(
        voices={"backend": voice},
        log=log,
        scan=nothing,
        refuses=lambda _text, _previous_user: False,
        find=nothing,
        seed=seed,
        recipe=_RECIPE,
    )
