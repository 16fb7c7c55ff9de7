"""A whole generation: traits and a recipe in, rows, pairs and queries out, published block by block."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import orjson

from phrasemill.engine.beside import compile_folder
from phrasemill.engine.damage import mend_folder, take_back
from phrasemill.engine.fates import refuses
from phrasemill.engine.fingerprints import fingerprint
from phrasemill.engine.folder import LOGS, REQUESTS, check_ours, commits_by_key, locked, sweep
from phrasemill.engine.generate_mix import MixReport, mix_in
from phrasemill.engine.generate_prepare import Prepared, prepare, shares
from phrasemill.engine.generate_settings import (
    deciding,
    dump_generate_config,
    generate_differences,
    load_generate_config,
    speakers,
)
from phrasemill.engine.generate_settle import Settler
from phrasemill.engine.generate_stratum import Stratum, StratumReport, run_stratum
from phrasemill.engine.generate_where import read_predicates
from phrasemill.engine.judge_desk import until_stopped
from phrasemill.engine.judge_turns import Judge
from phrasemill.engine.manifest import COMMITS_NAME, Manifest, ShardCommit, read_manifest, write_atomic
from phrasemill.engine.progress import progress
from phrasemill.engine.quality import judge_files
from phrasemill.engine.rewrite import acting, find_hits
from phrasemill.engine.stopping import Stop, stop_on_signals
from phrasemill.filters.hits import Hit as Found
from phrasemill.generators.ask import Desk, Voice
from phrasemill.generators.attempts import AttemptLog
from phrasemill.generators.backend import open_backend
from phrasemill.generators.judging.calibration import trusted
from phrasemill.generators.judging.scorers import open_judge
from phrasemill.generators.monitors import Monitor
from phrasemill.generators.recipes.query_spread import Known
from phrasemill.generators.tasks import Hit
from phrasemill.generators.traits import trait_hash
from phrasemill.schemas.errors import ConfigError, GateError
from phrasemill.schemas.generate import GenerateConfig
from phrasemill.schemas.trait import Trait

REPORT_NAME: Final = "generation.json"
_VERSION: Final = 1
"""Raised by one when the same answers start to make other rows."""
_REQUESTS_PER_ROW: Final = 20
_TRIES_PER_ROW: Final = 4
"""Items that a row may take where one alone costs many requests."""

_REMEMBERED: Final = 64


@dataclass(slots=True)
class GenerateReport:
    """What a generation did: the manifest as it is now, and each trait's account."""

    out: Path
    manifest: Manifest
    strata: list[StratumReport] = field(default_factory=list)
    mixed: MixReport | None = None
    taken_back: tuple[str, ...] = ()
    """Shards that were damaged and were done anew."""
    overrides_missed: tuple[str, ...] = ()
    """Ids of rows on which a person gave a verdict and which did not come up, or had no such turn."""
    seconds: float = 0.0

    @property
    def incomplete(self) -> list[StratumReport]:
        """Traits that ended before enough rows were accepted."""
        return [each for each in self.strata if not each.complete]


class GenerationIncomplete(GateError):
    """Everything that was accepted is published, but it is less than was asked for; ``report`` says the rest."""

    def __init__(self, message: str, report: GenerateReport) -> None:
        super().__init__(message)
        self.report = report


@dataclass(frozen=True, slots=True)
class _Work:
    """What stays the same while a generation goes on."""

    prepared: Prepared
    out: Path
    base: Path | None
    show_progress: bool | None


def execute_generation(
    config: GenerateConfig, out: Path, *, base: Path | None = None, show_progress: bool | None = None
) -> GenerateReport:
    """Do everything that is not yet done, and write manifest, catalog, card and report. Run again to resume.

    ``base``: an earlier folder; requests that it has answered are not sent again.

    Raises:
        ConfigError, TraitError, InputError: nothing was changed.
        LockedError: another run writes there.
        BackendError, Interrupted: resumable; finished blocks are published, every answer is kept.
        GenerationIncomplete: the budget, the items or a monitor ended it before enough rows were accepted.
    """
    started = time.monotonic()
    out = out.resolve()
    check_ours(out)
    if base is not None:
        read_manifest(base)
    work = _Work(prepare(config), out, base, show_progress)
    with locked(out), stop_on_signals() as stop:
        mend_folder(out, fingerprint(config.model_dump(mode="json")), dump_generate_config(config), None)
        commits = commits_by_key(out)
        _refuse_other(work, commits)
        write_atomic(out / "config.yaml", dump_generate_config(config).encode())
        taken_back = take_back(out, commits, None, show_progress=show_progress)
        sweep(out, list(commits.values()))
        report = GenerateReport(out, _manifest(work, commits), taken_back=taken_back)
        try:
            asyncio.run(_generate(work, commits, report, stop))
            if not stop and config.mix is not None:
                report.mixed = mix_in(config, out, commits, work.prepared.clean)
        finally:
            report.manifest = _manifest(work, commits)
            report.seconds = time.monotonic() - started
            _write_out(work, report)
        stop.check()
    if report.incomplete:
        raise GenerationIncomplete(_lacking(report), report)
    return report


async def _generate(work: _Work, commits: dict[str, ShardCommit], report: GenerateReport, stop: Stop) -> None:
    config = work.prepared.config
    wanted = shares(config, work.prepared.traits)
    total = sum(wanted.values()) if config.accept.rows is not None else None
    sources = [] if work.base is None else _answers_of(work.base)
    met: set[str] = set()
    async with AsyncExitStack() as opened:
        log = opened.enter_context(AttemptLog(work.out / REQUESTS, sources))
        voices = await until_stopped(_voices(work, opened), stop)
        untrusted = (
            trusted(config.judge, voices["judge"].client.model, work.prepared.traits)
            if "judge" in work.prepared.recipe.speakers
            else ""
        )
        with progress("generating", total, "rows", enabled=work.show_progress) as advance:
            for trait in work.prepared.traits:
                if stop:
                    return
                stratum = _stratum(work, trait, wanted.get(trait.id), voices, log, untrusted)
                report.strata.append(
                    await run_stratum(
                        stratum,
                        commits,
                        stop,
                        on_rows=(lambda _: None) if total is None else advance,
                        on_item=(lambda: advance(1)) if total is None else (lambda: None),
                        on_shard=lambda commit: commits.__setitem__(commit.key, commit),
                    )
                )
                met |= stratum.settler.met
    report.overrides_missed = tuple(
        sorted({each.row_id for each in work.prepared.overrides.entries if each.row_id not in met})
    )


async def _voices(work: _Work, opened: AsyncExitStack) -> dict[Any, Voice]:
    """A client for each who is asked; those with the same settings share one."""
    known: dict[str, Voice] = {}
    voices: dict[Any, Voice] = {}
    wanted = {"backend", *work.prepared.recipe.speakers} if work.prepared.recipe.asks else set()
    for who, settings in speakers(work.prepared.config).items():
        if who not in wanted:
            continue
        key = settings.model_dump_json()
        if key not in known:
            known[key] = Voice(await opened.enter_async_context(open_backend(settings, logs=work.out / LOGS)), settings)
        voices[who] = known[key]
    return voices


def _stratum(
    work: _Work,
    trait: Trait,
    wanted: int | None,
    voices: Mapping[Any, Voice],
    log: AttemptLog,
    untrusted: str,
) -> Stratum:
    config = work.prepared.config
    accept = config.accept
    budget = None
    if accept.requests is not None and wanted is not None:
        budget = math.ceil(accept.requests * wanted / max(1, accept.rows or 1))
    elif accept.requests is not None:
        budget = math.ceil(accept.requests / len(work.prepared.traits))
    elif wanted is not None:
        budget = _requests_per_row(work) * wanted
    settler = Settler(
        predicates=read_predicates(accept.where),
        pairing=config.pairs,
        monitor=Monitor(config.monitors),
        known=Known(),
        overrides=work.prepared.overrides,
        untrusted=untrusted,
        seed=config.seed,
    )
    return Stratum(
        trait=trait,
        recipe=work.prepared.recipe,
        items=work.prepared.openings.items(trait, rounds=wanted is not None and work.prepared.recipe.varies(config)),
        desk=_desk(work, voices, log),
        settler=settler,
        turns=config.prompts.turns,
        wanted=wanted,
        budget=budget,
        concurrency=config.backend.concurrency,
        out=work.out,
        output=config.output,
        identity=work.prepared.openings.identity,
        fingerprint=_fingerprint(work, trait),
        source=", ".join(config.prompts.path) or work.prepared.recipe.name,
    )


def _requests_per_row(work: _Work) -> int:
    """The budget where nobody set one. Every turn before the last takes an answer and a follow-up question.

    A steady judge is asked three times for an answer: with the answer itself, twice the requests.
    """
    steady = work.prepared.config.judge.steady is not None and "judge" in work.prepared.recipe.speakers
    item = work.prepared.recipe.cost() * (2 if steady else 1) + 2 * (work.prepared.config.prompts.turns - 1)
    return max(_REQUESTS_PER_ROW, _TRIES_PER_ROW * item)


def _desk(work: _Work, voices: Mapping[Any, Voice], log: AttemptLog) -> Desk:
    config = work.prepared.config
    judges = {
        trait.id: Judge(work.prepared.filters, config.policy, frozenset(trait.phrases.allow))
        for trait in work.prepared.traits
    }
    plain = Judge(work.prepared.filters, config.policy)

    # An answer is looked at for what the policy acts on and for refusals; it is searched once.
    @lru_cache(maxsize=_REMEMBERED)
    def hits_in(text: str, previous_user: str) -> tuple[Found, ...]:
        return tuple(find_hits(text, previous_user, plain))

    def counting(text: str, previous_user: str) -> list[Hit]:
        hits = (hit for hit in hits_in(text, previous_user) if hit.exempt is None)
        return [Hit(hit.rule_id, hit.category, text[hit.start : hit.stop]) for hit in hits]

    return Desk(
        voices=voices,
        log=log,
        scan=lambda trait, text, previous_user: acting(text, hits_in(text, previous_user), judges[trait.id]),
        refuses=lambda text, previous_user: refuses(hits_in(text, previous_user)),
        find=counting,
        seed=config.seed,
        recipe=work.prepared.recipe.name,
        scorer=open_judge(config.judge, work.prepared.traits) if "judge" in voices else None,
        more_tokens=True,
    )


def _fingerprint(work: _Work, trait: Trait) -> str:
    """What a trait's rows depend on."""
    parts = {
        "version": _VERSION,
        "config": deciding(work.prepared.config),
        "trait": trait_hash(trait),
        "filters": [each.fingerprint() for each in work.prepared.filters],
        "read": work.prepared.openings.identity,
        "judge": judge_files(work.prepared.config.judge) if "judge" in work.prepared.recipe.speakers else [],
        "wanted": shares(work.prepared.config, work.prepared.traits).get(trait.id),
        "overrides": work.prepared.overrides.fingerprint,
    }
    return fingerprint(parts)


def _refuse_other(work: _Work, commits: Mapping[str, ShardCommit]) -> None:
    """A folder belongs to one configuration, and to the traits as they were; another one wants another folder."""
    path = work.out / "config.yaml"
    if not path.exists() or not (work.out / COMMITS_NAME).exists():
        return
    changed = generate_differences(load_generate_config(path), work.prepared.config)
    known = {commit.fingerprints.get("generate") for commit in commits.values()} - {None}
    if not changed and known - {_fingerprint(work, trait) for trait in work.prepared.traits}:
        changed = ["the content of a trait, a pack, the overrides, the judge or the prompts has changed"]
    if changed:
        listed = "\n  ".join(changed)
        raise ConfigError(
            f"{work.out}: was written with another configuration:\n  {listed}\n"
            f"write to a new folder; what is unchanged is not asked again: generate CONFIG -o NEW --base {work.out}"
        )


def _answers_of(base: Path) -> list[Path]:
    log = base / REQUESTS
    return [log] if log.exists() else [base / record.path for record in read_manifest(base).files("generations")]


def _manifest(work: _Work, commits: Mapping[str, ShardCommit]) -> Manifest:
    return Manifest(
        command="generate",
        plan=work.prepared.openings.identity,
        config=fingerprint(work.prepared.config.model_dump(mode="json")),
        seed=work.prepared.config.seed,
        shards=tuple(commits.values()),
    )


def _write_out(work: _Work, report: GenerateReport) -> None:
    strata = [
        {
            "trait": each.trait,
            "wanted": each.wanted,
            "accepted": each.accepted,
            "items": each.items,
            "pairs": each.pairs,
            "requests": each.requests,
            "reasons": dict(sorted(each.reasons.items())),
            "stopped": each.stopped,
            "complete": each.complete,
        }
        for each in report.strata
    ]
    mixed = None if report.mixed is None else {"wanted": report.mixed.wanted, "rows": report.mixed.rows}
    missed = list(report.overrides_missed)
    body = {"recipe": work.prepared.recipe.name, "traits": strata, "mixed": mixed, "overrides_missed": missed}
    write_atomic(work.out / REPORT_NAME, orjson.dumps(body, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    report.manifest = compile_folder(work.out, report.manifest, work.prepared.config)


def _lacking(report: GenerateReport) -> str:
    parts = [
        f"{each.trait}: {each.accepted} of {each.wanted if each.wanted is not None else 'all'} ({each.stopped})"
        for each in report.incomplete
    ]
    return (
        f"fewer rows than asked for: {'; '.join(parts)}. What was accepted is published; look at the reasons of "
        "rejection, then change the trait, the backend, accept or monitors, and write to a new folder with --base"
    )
